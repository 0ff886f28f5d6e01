// The loaded app: the functions and hooks that it registered, and the report about it for the host.
'use strict';

const { describe, systemError } = require('./errors');
const { Hooks } = require('./hooks');
const { loadEntryPoints } = require('./entry_points');
const { oldFunctions } = require('./old_model');
const { versionNote } = require('./node_versions');
const { installedVersion, packageVersions } = require('./package_versions');
const { provideCore } = require('./injection');
const { Registry } = require('./core');

const CAPABILITIES = {
  RawHttpBodyBytes: 'true',
  RpcHttpTriggerMetadataRemoved: 'true',
  RpcHttpBodyOnly: 'true',
  IgnoreEmptyValuedRpcHttpHeaders: 'true',
  UseNullableValueDictionaryForHttp: 'true',
  WorkerStatus: 'true',
  TypedDataCollection: 'true',
  HandlesWorkerTerminateMessage: 'true',
};

const BLOBS = new Set(['blob', 'blobtrigger']);
const TEST_MODE =
  'The package "@azure/functions" is in test mode: it has not found "@azure/functions-core", which the host provides.';
const GRPC_ONLY =
  'it uses durable-functions 4, whose protocol (gRPC) this host does not support for Node.js apps: ' +
  'npm install durable-functions@3';

class App {
  /** `wasInTestMode`: whether the library has logged that it did not find the core. */
  constructor(root, logs, wasInTestMode = () => false) {
    this._wasInTestMode = wasInTestMode;
    this.root = root;
    this.logs = logs;
    this.hooks = new Hooks(logs, root);
    this.registry = new Registry(logs, this.hooks);
    this.httpUri = undefined;
  }

  /**
   * Load the app and return the fields of the `indexed` frame. The host serves only the `functions` named here.
   * A debugger can attach at `debuggerAddress` before anything is loaded.
   */
  async load({ functions, debugger: debuggerAddress, patience }) {
    if (debuggerAddress && !require('./debugging').openDebugPort(debuggerAddress)) {
      const place = `${debuggerAddress.host}:${debuggerAddress.port}`;
      return indexed({
        kind: 'debugger_failed',
        ...describe(systemError(`${place}: address already in use`)),
        stack: '',
      });
    }
    const versions = packageVersions();
    provideCore(this.registry.core());
    const loaded = await loadEntryPoints(this.root, this.registry, this.logs, patience);
    let failure = loaded.failure;
    if (failure === undefined) {
      failure = await this._begin();
    }
    this.registry.lock();
    const model = this.registry.model;
    const found = failure === undefined ? [...this.registry.functions.values()] : [];
    const old = failure === undefined && found.length === 0 ? oldFunctions(this.root) : [];
    if (failure === undefined && found.length === 0 && this._wasInTestMode()) {
      failure = { kind: 'import', ...describe(systemError(TEST_MODE)), stack: '' };
    }
    const wanted = found.filter((one) => isServed(one, functions));
    return indexed(failure, {
      functions: wanted.filter((one) => !requiresGrpc(one)).map((one) => described(one, this.httpUri !== undefined)),
      errors: [...wanted.filter(requiresGrpc).map(refused), ...old],
      warnings: [...loaded.warnings, versionNote(process.versions.node, new Date())].filter(Boolean),
      excluded: found.filter((one) => !isServed(one, functions)).map((one) => one.name),
      model: found.length > 0 ? 'v4' : old.length > 0 ? 'v3' : 'none',
      sdk: versions(model),
      main: loaded.main ?? null,
      matched: loaded.matched,
      installed: found.length > 0 ? {} : this._installed(),
    });
  }

  /** Versions of the packages that determine whether an app can run. */
  _installed() {
    const versions = ['@azure/functions', 'durable-functions'].map((name) => [name, installedVersion(name, this.root)]);
    return Object.fromEntries(versions.filter(([, version]) => version !== undefined));
  }

  /** Run the start hooks, then ask the library for its options. Returns a failure of the app, or undefined. */
  async _begin() {
    try {
      await this.hooks.run('appStart', this.hooks.appContext());
      const model = this.registry.model;
      if (typeof model?.getCapabilities === 'function') {
        this.httpUri = (await model.getCapabilities({ ...CAPABILITIES })).HttpUri;
      }
    } catch (error) {
      return { kind: 'import', ...describe(error) };
    }
    return undefined;
  }

  /** Run the `appTerminate` hooks, for at most `seconds`. */
  async end(seconds) {
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, seconds * 1000);
    });
    try {
      await Promise.race([this.hooks.run('appTerminate', this.hooks.appContext()), late]);
    } catch (error) {
      this.logs.report('error', `An appTerminate hook failed: ${describe(error).stack || describe(error).message}`);
    }
    clearTimeout(timer);
  }
}

/** The frame for the host. `members` are the results of loading. */
function indexed(failure, members = {}) {
  return {
    k: 'indexed',
    functions: [],
    errors: [],
    failure: failure ?? null,
    warnings: [],
    excluded: [],
    model: 'none',
    python: '',
    node: process.versions.node,
    executable: process.execPath,
    sdk: {},
    ...members,
  };
}

function isServed(one, functions) {
  return !functions || functions.some((name) => name.toLowerCase() === one.name.toLowerCase());
}

function requiresGrpc(one) {
  return Object.values(one.metadata.bindings ?? {}).some((binding) => binding.durableRequiresGrpc === true);
}

function refused(one) {
  const { bindings } = described(one, false);
  return { function: one.name, type: 'FunctionLoadError', message: GRPC_ONLY, stack: '', bindings };
}

/** If `streams` is true, all HTTP functions of the app stream their requests and responses. */
function described(one, streams) {
  const bindings = Object.entries(one.metadata.bindings ?? {}).map(([name, binding]) =>
    withDataType({ ...binding, name })
  );
  return {
    name: one.name,
    bindings,
    directory: one.directory,
    script_file: one.scriptFile,
    entry_point: '',
    retry: retryOf(one.metadata.retryOptions),
    is_async: true,
    http_type: 'function',
    streams_http: streams && bindings.some((binding) => binding.type.toLowerCase() === 'httptrigger'),
    source_file: one.place?.file ?? null,
    source_line: one.place?.line ?? null,
  };
}

/** Blobs are given to user code as Buffers unless it requests text. A row that is selected by its key is one object. */
function withDataType(binding) {
  const type = String(binding.type).toLowerCase();
  if (type === 'table' && binding.direction === 'in' && binding.rowKey) {
    return { ...binding, oneRow: true };
  }
  const isBlob = BLOBS.has(type) && binding.direction === 'in';
  return isBlob && binding.dataType === undefined ? { ...binding, dataType: 'binary' } : binding;
}

/** The retry policy with durations in seconds, in the same form as from the other workers. */
function retryOf(options) {
  if (options === undefined || options === null) {
    return null;
  }
  const seconds = (duration) => (duration === undefined || duration === null ? null : (duration.seconds ?? 0));
  const strategy = options.retryStrategy ?? options.strategy;
  return {
    strategy: strategy === 'exponentialBackoff' ? 'exponential_backoff' : 'fixed_delay',
    max_retry_count: options.maxRetryCount,
    delay_interval: seconds(options.delayInterval),
    minimum_interval: seconds(options.minimumInterval),
    maximum_interval: seconds(options.maximumInterval),
  };
}

module.exports = { App };
