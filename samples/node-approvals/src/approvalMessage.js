// @ts-check
/**
 * Reads a message on `approval-queue`.
 *
 * Some tools write queue messages as plain text, others encode them in base64 first. host.json sets `messageEncoding` to
 * `none`, which passes the text on unchanged, and this module accepts both forms. `@azure/functions` parses the text if it
 * is JSON, so a message can be an object, a string or any other JSON value.
 */

const INSTANCE_ID = /^[^/\\?#\x00-\x1f\x7f-\x9f]{1,256}$/;

/**
 * @typedef {object} ApprovalMessage
 * @property {string} instanceId
 * @property {unknown} decision The event's payload: true, or the value of "approved" in the message.
 */

/**
 * Read `<instance ID>` or `{"instanceId": "<instance ID>", "approved": false}`. Throws for other messages.
 *
 * @param {unknown} message
 * @returns {ApprovalMessage}
 */
function readApprovalMessage(message) {
    const content = typeof message === 'string' ? parsed(plainText(message)) : message;
    if (typeof content === 'object' && content !== null && !Array.isArray(content)) {
        const { instanceId, ...fields } = /** @type {Record<string, unknown>} */ (content);
        return { instanceId: checked(instanceId), decision: { approved: true, ...fields } };
    }
    return { instanceId: checked(content), decision: true };
}

/** @param {unknown} id */
function checked(id) {
    const text = typeof id === 'string' ? id.trim() : id;
    if (typeof text !== 'string' || !INSTANCE_ID.test(text)) {
        throw new Error(`The queue message is not an instance ID: ${JSON.stringify(id ?? null).slice(0, 80)}`);
    }
    return text;
}

/**
 * Parse the JSON of an object or a string. Any other text stays unchanged.
 *
 * @param {string} text
 * @returns {unknown}
 */
function parsed(text) {
    return /^\s*[{"]/.test(text) ? JSON.parse(text) : text;
}

/**
 * Decode `text` if it is base64 of something printable, which an instance ID of this app never is.
 *
 * @param {string} text
 */
function plainText(text) {
    const decoded = Buffer.from(text.trim(), 'base64');
    const isBase64 = decoded.length > 0 && decoded.toString('base64') === text.trim();
    const inner = decoded.toString('utf8');
    return isBase64 && inner.trim() !== '' && !/[\x00-\x1f\x7f-\x9f\ufffd]/.test(inner.trim()) ? inner : text;
}

module.exports = { readApprovalMessage };
