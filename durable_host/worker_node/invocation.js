// One call of a user function: the pipeline from the request frame to the answer.
'use strict';

const { systemError } = require('./errors');
const { frozenMembers } = require('./hooks');
const typed = require('./typed_data');
const scope = require('./scope');

/**
 * A call that is about to run. `run` returns the function's result as converted by the library, and throws what user
 * code throws.
 *
 * `owner` names the invocation in log records. It is read for each record, so a session that keeps the call's context
 * can replace it with the current invocation.
 */
class Invocation {
  /** `app`: `{registry, hooks, logs}`. `request`: in the library's form, see `requestOf`. */
  constructor(app, request) {
    this._app = app;
    this._request = request;
    this._function = app.registry.functions.get(request.functionId);
    request.inputData = request.inputData.map((one) =>
      withReference(one, this._function?.metadata.bindings?.[one.name])
    );
    this._core = undefined;
    this.owner = { i: request.invocationId, f: this._function?.name ?? request.functionId };
  }

  /**
   * Calls `prepared(context, inputs)` when the arguments exist and the preInvocation hooks have run. Resolves to
   * `{outputData: [{name, data}], returnValue}`.
   */
  async run(prepared = () => {}) {
    return scope.run(this.owner, () => this._run(prepared));
  }

  /** Continue a call whose context was kept, as part of the invocation `id`. */
  resume(id, work) {
    this.owner.i = id;
    this._core.state = 'postInvocationHooks'; // Otherwise the library treats its log records as those of ended calls.
    try {
      return scope.run(this.owner, work);
    } finally {
      this._core.state = undefined;
    }
  }

  async _run(prepared) {
    const { registry, hooks } = this._app;
    const loaded = this._function;
    if (loaded === undefined) {
      throw systemError(`Function code for '${this._request.functionId}' is not loaded and cannot be invoked.`);
    }
    const coreContext = {
      invocationId: this._request.invocationId,
      request: this._request,
      metadata: loaded.metadata,
      state: undefined,
      log: (level, category, message) => this._log(level, category, message),
    };
    this._core = coreContext;
    const model = await registry.model.getInvocationModel(coreContext);
    const { context, inputs } = await model.getArguments();
    this.owner.context = context;
    this.owner.hookData = {};

    coreContext.state = 'preInvocationHooks';
    const before = this._hookContext(context, { functionCallback: loaded.callback, inputs });
    await hooks.run('preInvocation', before);
    prepared(context, before.inputs);

    coreContext.state = 'invocation';
    let result;
    let error;
    try {
      result = await model.invokeFunction(context, before.inputs, before.functionCallback);
    } catch (thrown) {
      error = thrown;
    }
    coreContext.state = undefined;

    coreContext.state = 'postInvocationHooks';
    const after = this._hookContext(context, { inputs: before.inputs, result, error });
    await hooks.run('postInvocation', after);
    coreContext.state = undefined;
    if (after.error !== undefined && after.error !== null) {
      throw after.error;
    }
    return await model.getResponse(context, after.result);
  }

  _hookContext(invocationContext, members) {
    return frozenMembers(members, {
      hookData: this.owner.hookData,
      appHookData: this._app.hooks.appHookData,
      invocationContext,
    });
  }

  _log(level, category, message) {
    this._app.logs.write(level, category, message, this.owner);
  }
}

/** An input whose binding requests the place of a blob, because the library creates a client from it. */
function withReference(input, binding) {
  if (String(binding?.properties?.supportsDeferredBinding).toLowerCase() !== 'true' || !input.data.json) {
    return input;
  }
  const content = Buffer.from(input.data.json);
  const reference = { version: '1.0', source: 'AzureStorageBlobs', contentType: 'application/json', content };
  return { name: input.name, data: { modelBindingData: reference } };
}

/** The request of an `invoke` frame in the library's form. */
function requestOf(header, blob) {
  const request = {
    invocationId: header.i,
    functionId: header.f,
    inputData: Object.entries(header.in ?? {}).map(([name, value]) => ({ name, data: typed.read(value, blob) })),
    triggerMetadata: typed.readMetadata(header.m),
    traceContext: { traceParent: header.tp ?? '', traceState: header.ts ?? '', attributes: {} },
  };
  if (header.rc > 0) {
    request.retryContext = { retryCount: header.rc, maxRetryCount: header.mrc ?? 0 };
    if (header.re) {
      request.retryContext.exception = {
        source: '',
        stackTrace: header.re.stack_trace ?? '',
        message: header.re.message,
      };
    }
  }
  return request;
}

module.exports = { Invocation, requestOf };
