// @ts-check
/**
 * Human interaction: a budget request that waits for a person's approval.
 *
 * - `POST /api/approvals` with `{"item": "laptop", "amount": 1800}` starts a request and returns its management URLs.
 * - The instance ID as a message on the queue `approval-queue` approves it; so does posting to its `sendEventPostUri`.
 * - `GET /api/approvals/{instanceId}` returns a short status.
 *
 * The decision is any JSON. The event is called Approval, so it approves unless its payload is `false`,
 * `{"approved": false}` or the word "denied".
 */

const { app } = require('@azure/functions');
const df = require('durable-functions');
const { readApprovalMessage } = require('../approvalMessage');

/** @import { InvocationContext } from '@azure/functions' */
/** @import { DurableClient } from 'durable-functions' */

/**
 * @typedef {object} BudgetRequest
 * @property {string} item What the money is for.
 * @property {number} amount
 * @property {number} expiresInSeconds The time to decide.
 */

const EVENT = 'Approval';
const HOURS_TO_DECIDE = 72;
const FINAL = ['Completed', 'Failed', 'Terminated', 'Canceled'];

/** Start a request. `expiresInSeconds` in the body changes the time to decide. */
app.http('StartApproval', {
    route: 'approvals',
    methods: ['POST'],
    extraInputs: [df.input.durableClient()],
    handler: async (request, context) => {
        let input;
        try {
            input = checkedRequest(await request.json());
        } catch (error) {
            return { status: 400, jsonBody: { error: error instanceof Error ? error.message : String(error) } };
        }
        const client = df.getClient(context);
        const instanceId = await client.startNew('BudgetApproval', { input });
        context.log(`Approval ${instanceId} started: ${input.item} for ${input.amount}`);
        return client.createCheckStatusResponse(request, instanceId);
    },
});

/** Return the status of a request. */
app.http('ApprovalStatus', {
    route: 'approvals/{instanceId}',
    methods: ['GET'],
    extraInputs: [df.input.durableClient()],
    handler: async (request, context) => {
        const id = request.params.instanceId;
        const status = await statusOf(df.getClient(context), id);
        if (status === undefined) {
            return { status: 404, jsonBody: { error: `There is no approval with the ID ${id}.` } };
        }
        const { runtimeStatus, customStatus, output } = status;
        return { jsonBody: { id, state: runtimeStatus, progress: customStatus, result: output } };
    },
});

/**
 * Raise "Approval" on the instance that the message names.
 *
 * A message that names no instance fails, so it is retried and ends in `approval-queue-poison`. A decision for a finished
 * request is only logged: queues deliver at least once, so it can be a duplicate.
 */
app.storageQueue('ApprovalQueueProcessor', {
    queueName: 'approval-queue',
    connection: 'AzureWebJobsStorage',
    extraInputs: [df.input.durableClient()],
    handler: async (message, context) => {
        const { instanceId, decision } = readApprovalMessage(message);
        const client = df.getClient(context);
        const status = await statusOf(client, instanceId);
        if (status === undefined) {
            throw new Error(`The queue message does not name an approval: there is no instance '${instanceId}'.`);
        }
        if (FINAL.includes(status.runtimeStatus)) {
            context.warn(`Approval ${instanceId} is already ${status.runtimeStatus}; nothing to do.`);
            return;
        }
        await client.raiseEvent(instanceId, EVENT, decision);
        context.log(`Approval ${instanceId}: decision passed on.`);
    },
});

/** Request approval, wait for the decision or the deadline, and act on it. */
df.app.orchestration('BudgetApproval', function* (context) {
    /** @type {BudgetRequest} */
    const request = context.df.getInput();
    context.df.setCustomStatus({ stage: 'Requesting approval' });
    yield context.df.callActivity('RequestApproval', { ...request, instanceId: context.df.instanceId });

    const expiresAt = new Date(context.df.currentUtcDateTime.getTime() + request.expiresInSeconds * 1000);
    context.df.setCustomStatus({ stage: 'Waiting for approval', expiresAt: expiresAt.toISOString() });
    const decision = context.df.waitForExternalEvent(EVENT);
    const expiry = context.df.createTimer(expiresAt);
    const winner = yield context.df.Task.any([decision, expiry]);

    if (winner === expiry) {
        context.df.setCustomStatus({ stage: 'Expired' });
        return yield context.df.callActivity('ExpireRequest', request);
    }
    expiry.cancel();
    if (saysNo(decision.result)) {
        context.df.setCustomStatus({ stage: 'Denied' });
        return yield context.df.callActivity('DenyRequest', request);
    }
    context.df.setCustomStatus({ stage: 'Approved' });
    return yield context.df.callActivity('ApproveRequest', request);
});

df.app.activity('RequestApproval', {
    /**
     * Send an email or a chat message here.
     *
     * @param {BudgetRequest & { instanceId: string }} request
     * @param {InvocationContext} context
     */
    handler: (request, context) => {
        const { item, amount, instanceId } = request;
        context.log(`Please decide on ${item} for ${amount}: put ${instanceId} on the queue approval-queue.`);
        return instanceId;
    },
});

df.app.activity('ApproveRequest', { handler: outcome('Approved') });
df.app.activity('DenyRequest', { handler: outcome('Denied') });
df.app.activity('ExpireRequest', { handler: outcome('Expired') });

/**
 * Return the handler of an activity that executes a decision.
 *
 * @param {string} word
 */
function outcome(word) {
    /**
     * @param {BudgetRequest} request
     * @param {InvocationContext} context
     */
    return (request, context) => {
        context.log(`${word}: ${request.item} for ${request.amount}`);
        return { outcome: word, item: request.item, amount: request.amount };
    };
}

/**
 * Return the status of an instance, or undefined if there is none: `getStatus` throws on the 404 of the API.
 *
 * @param {DurableClient} client
 * @param {string} instanceId
 */
async function statusOf(client, instanceId) {
    try {
        return await client.getStatus(instanceId);
    } catch (error) {
        if (error instanceof Error && /\b404\b/.test(error.message)) {
            return undefined;
        }
        throw error;
    }
}

/**
 * @param {unknown} body
 * @returns {BudgetRequest}
 */
function checkedRequest(body) {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
        throw new Error('Send a JSON object such as {"item": "laptop", "amount": 1800}.');
    }
    const { item, amount, expiresInSeconds } = /** @type {Record<string, unknown>} */ (body);
    const seconds = Number(expiresInSeconds ?? process.env.APPROVAL_EXPIRES_IN_SECONDS ?? HOURS_TO_DECIDE * 3600);
    if (typeof item !== 'string' || item.trim() === '') {
        throw new Error('"item" must be a string that says what the money is for.');
    }
    if (typeof amount !== 'number' || amount < 0) {
        throw new Error('"amount" must be a number that is not negative.');
    }
    if (!(seconds > 0 && seconds <= 10 * 366 * 24 * 3600)) {
        throw new Error('"expiresInSeconds" must be a number of seconds, more than none and less than ten years.');
    }
    return { ...body, item: item.trim(), amount, expiresInSeconds: seconds };
}

/**
 * The data of an event is the parsed JSON that was posted. JSON within a string is accepted too.
 *
 * @param {unknown} decision
 * @returns {boolean}
 */
function saysNo(decision) {
    if (typeof decision === 'string') {
        const text = decision.trim();
        return /^(no|deny|denied|rejected)$/i.test(text) || (/^[{"f]/.test(text) && saysNo(parsedOrNull(text)));
    }
    if (typeof decision === 'object' && decision !== null) {
        return 'approved' in decision && decision.approved === false;
    }
    return decision === false;
}

/** @param {string} text */
function parsedOrNull(text) {
    try {
        return JSON.parse(text);
    } catch {
        return null;
    }
}
