"""The function app of this folder, one blueprint per pattern. `func start` runs it here; Azure runs the same files."""

import azure.durable_functions as df
import azure.functions as func

from functions.approvals import approvals
from functions.async_http import async_http
from functions.chaining import chaining
from functions.eternal import eternal
from functions.fan_out import fan_out
from functions.monitor import monitor
from functions.phone_verification import phone_verification
from functions.readings import readings
from functions.sub_orchestrations import sub_orchestrations

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for blueprint in (
    approvals,
    async_http,
    chaining,
    eternal,
    fan_out,
    monitor,
    phone_verification,
    readings,
    sub_orchestrations,
):
    app.register_functions(blueprint)
