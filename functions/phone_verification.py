"""Human interaction: a phone number is verified with a code sent by SMS.

`POST /api/verifications` with `{"phone": "+49 30 1234567"}` sends the code; `POST` of the code to the instance's
`sendEventPostUri` (event `SmsChallengeResponse`, body such as `1234`) answers. Three attempts are allowed within
`giveUpAfterSeconds` (default 90).
"""

# ruff: noqa: N802 - the names are those of functions as Azure shows them

import logging
import secrets
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

from functions.json_input import json_object, number, refusal, text

phone_verification = df.Blueprint()

EVENT = "SmsChallengeResponse"
TRIES = 3


@phone_verification.route(route="verifications", methods=["POST"])
@phone_verification.durable_client_input(client_name="client")
async def StartVerification(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    try:
        body = json_object(req)
        order = {"phone": text(body, "phone"), "giveUpAfterSeconds": number(body, "giveUpAfterSeconds", 90)}
    except ValueError as error:
        return refusal(error)
    instance_id = await client.start_new("VerifyPhone", client_input=order)
    return client.create_check_status_response(req, instance_id)


@phone_verification.orchestration_trigger(context_name="context")
def VerifyPhone(context: df.DurableOrchestrationContext):
    """All attempts have the same deadline, but each needs its own timer: the timer of an earlier race has no effect."""
    order = context.get_input()
    code = yield context.call_activity("SendChallenge", order["phone"])
    give_up_at = context.current_utc_datetime + timedelta(seconds=order["giveUpAfterSeconds"])
    for number_of_try in range(1, TRIES + 1):
        context.set_custom_status({"waitingFor": EVENT, "try": number_of_try, "of": TRIES})
        response = context.wait_for_external_event(EVENT)
        expiry = context.create_timer(give_up_at)
        winner = yield context.task_any([response, expiry])
        if winner == expiry:
            return {"verified": False, "reason": "Nobody answered in time."}
        expiry.cancel()
        if str(response.result).strip(' "') == code:
            return {"verified": True, "tries": number_of_try}
    return {"verified": False, "reason": f"{TRIES} wrong codes."}


@phone_verification.activity_trigger(input_name="phone")
def SendChallenge(phone: str) -> str:
    """Create and send a code. Random numbers belong in activities: an orchestrator gets a new one in each replay."""
    code = str(1000 + secrets.randbelow(9000))
    logging.info("SMS to %s: your code is %s", phone, code)
    return code
