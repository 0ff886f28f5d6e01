// Keeps orchestrators in memory between their episodes.
//
// Requests and answers are the same as for the Python worker (`worker/orchestrations_v1.py`). Apps with
// invocation hooks are replayed from the start in each turn, so that their hooks see every episode.
'use strict';

const { Invocation } = require('./invocation');
const { LiveOrchestration } = require('./live_orchestration');

const SESSION_LIMIT = 2000;
const TRIGGER = 'orchestrationtrigger';

/** The live sessions of this process by key. If there are more than `limit`, the one stored first is removed. */
class OrchestrationSessions {
  /** `app`: `{registry, hooks, logs}`. */
  constructor(app, limit = SESSION_LIMIT) {
    this._app = app;
    this._limit = limit;
    this._sessions = new Map();
  }

  get size() {
    return this._sessions.size;
  }

  /** Run one turn of the function with this id. Throws errors of user code that the protocol does not cover. */
  async handle(request, functionId, invocationId) {
    const session = this._sessions.get(request.key);
    this._sessions.delete(request.key);
    if (request.payload !== undefined) {
      return this._begin(request, functionId, invocationId);
    }
    const answer = session === undefined ? undefined : this._continue(session, request, functionId, invocationId);
    return answer ?? { need: 'history' };
  }

  /** Remove a session if it exists. */
  forget(key) {
    this._sessions.delete(key);
  }

  async _begin(request, functionId, invocationId) {
    const invocation = new Invocation(this._app, this._requestOf(request, functionId, invocationId));
    const session = new LiveOrchestration(functionId, invocation);
    try {
      await invocation.run((context) => session.watch(context, request.newFrom));
    } catch (error) {
      if (!session.hasRaised) {
        throw error;
      }
    }
    const answer = session.answer();
    if (this._app.hooks.has('preInvocation') || this._app.hooks.has('postInvocation')) {
      return session.hasEnded ? answer : { ...answer, fresh: true };
    }
    return this._keep(session, request, answer);
  }

  /** The answer of a live session, or undefined if a replay is needed. */
  _continue(session, request, functionId, invocationId) {
    if (session.functionId !== functionId || session.seen !== request.from) {
      return undefined;
    }
    try {
      return session.invocation.resume(invocationId, () => {
        session.advance(request.events, request.newFrom);
        return this._keep(session, request, session.answer());
      });
    } catch {
      return undefined; // The replay reports the error.
    }
  }

  _keep(session, request, answer) {
    if (session.hasEnded || request.once) {
      return answer;
    }
    session.seen = request.until;
    this._sessions.set(request.key, session);
    if (this._sessions.size > this._limit) {
      this._sessions.delete(this._sessions.keys().next().value);
    }
    return answer;
  }

  /** The request of an ordinary invocation with the payload as its trigger. */
  _requestOf(request, functionId, invocationId) {
    const bindings = this._app.registry.functions.get(functionId)?.metadata.bindings ?? {};
    const trigger = Object.entries(bindings).find(([, binding]) => binding.type.toLowerCase() === TRIGGER);
    return {
      invocationId,
      functionId,
      inputData: [{ name: trigger?.[0] ?? 'context', data: { string: request.payload } }],
      triggerMetadata: {},
      traceContext: { traceParent: '', traceState: '', attributes: {} },
    };
  }
}

module.exports = { OrchestrationSessions };
