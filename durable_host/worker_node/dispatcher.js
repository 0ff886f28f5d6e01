// Runs the functions that request frames name. Calls run concurrently on the event loop, without a limit.
'use strict';

const { describe } = require('./errors');
const { FrameBody } = require('./frames');
const { Invocation, requestOf } = require('./invocation');
const typed = require('./typed_data');

const ENTITY_TRIGGER = 'entitytrigger';

class CallDispatcher {
  /** `app`: `{registry, hooks, logs}`. */
  constructor(app, channel) {
    this._app = app;
    this._channel = channel;
    this._sessions = undefined;
    this._running = new Set();
    this._streams = new Map();
  }

  handle(header, blob) {
    switch (header.k) {
      case 'invoke':
        this._begin(header, () => this._invoke(header, blob));
        break;
      case 'orchestrate':
        this._begin(header, () => this._orchestrate(header));
        break;
      case 'stream':
        this._begin(header, () => this._stream(header, blob));
        break;
      case 'chunk':
      case 'room':
      case 'gone':
        this._streams.get(header.i)?.deliver(header, blob);
        break;
      case 'forget':
        this._sessions?.forget(header.key);
        break;
      case 'ping':
        this._channel.send({ k: 'pong', n: header.n });
        break;
      default: // `cancel`: the context of a call has no way to signal it.
    }
  }

  /** Wait until no call is running, for at most `seconds`. */
  async waitIdle(seconds) {
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, seconds * 1000);
    });
    const idle = async () => {
      while (this._running.size > 0) {
        await Promise.all(this._running);
      }
    };
    await Promise.race([idle(), late]);
    clearTimeout(timer);
  }

  _begin(header, call) {
    const running = this._answer(header, call).finally(() => this._running.delete(running));
    this._running.add(running);
  }

  async _answer(header, call) {
    try {
      this._channel.send(...(await call()));
    } catch (error) {
      this._channel.send({ k: 'failed', i: header.i, ...describe(error) });
    }
  }

  async _invoke(header, blob) {
    const invocation = new Invocation(this._app, requestOf(header, blob));
    return this._isEntity(header.f)
      ? this._runEntity(header, invocation)
      : answerOf(header, await invocation.run());
  }

  async _runEntity(header, invocation) {
    const { FailedOperations } = require('./failed_operations');
    const failed = new FailedOperations();
    invocation.owner.failedOperations = failed;
    const response = await invocation.run((context) => failed.watch(context));
    const [answer, body] = answerOf(header, response);
    return [{ ...answer, ...failed.fields(response.returnValue?.json) }, body];
  }

  _isEntity(id) {
    const bindings = this._app.registry.functions.get(id)?.metadata.bindings ?? {};
    return Object.values(bindings).some((binding) => String(binding.type).toLowerCase() === ENTITY_TRIGGER);
  }

  async _stream(header, blob) {
    const { StreamedCall } = require('./streamed_call');
    const call = new StreamedCall(this._app, this._channel, header, blob, this._app.httpUri);
    this._streams.set(header.i, call);
    try {
      return answerOf(header, { ...(await call.run()), returnValue: undefined });
    } finally {
      this._streams.delete(header.i);
    }
  }

  async _orchestrate(header) {
    if (this._sessions === undefined) {
      const { OrchestrationSessions } = require('./orchestrations');
      this._sessions = new OrchestrationSessions(this._app);
    }
    return [{ k: 'orchestrated', i: header.i, p: await this._sessions.handle(header.p, header.f, header.i) }];
  }
}

/** Header and body of the frame that answers a call. */
function answerOf(header, response) {
  const body = new FrameBody();
  const answer = { k: 'result', i: header.i };
  if (response.returnValue !== undefined && response.returnValue !== null) {
    answer.r = typed.write(response.returnValue, body);
  }
  const outputs = (response.outputData ?? []).map(({ name, data }) => [name, typed.write(data, body)]);
  if (outputs.length > 0) {
    answer.o = Object.fromEntries(outputs);
  }
  return [answer, body];
}

module.exports = { CallDispatcher };
