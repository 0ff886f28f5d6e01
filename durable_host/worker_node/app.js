// The loaded app: what it registered, and what the host is told about it.
'use strict';

const { describe } = require('./errors');
const { Hooks } = require('./hooks');
const { loadEntryPoints } = require('./entry_points');
const { packageVersions } = require('./package_versions');
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

class App {
  constructor(root, logs) {
    this.root = root;
    this.logs = logs;
    this.hooks = new Hooks(logs, root);
    this.registry = new Registry(logs, this.hooks);
    this.httpUri = undefined;
  }

  /** Load the app; the fields of the `indexed` frame. `functions` are the only ones that the host serves. */
  async load(functions) {
    const versions = packageVersions();
    provideCore(this.registry.core(), () => {});
    const loaded = await loadEntryPoints(this.root, this.registry, this.logs);
    let failure = loaded.failure;
    if (failure === undefined) {
      failure = await this._begin();
    }
    this.registry.lock();
    const model = this.registry.model;
    const found = failure === undefined ? [...this.registry.functions.values()] : [];
    const served = found.filter((one) => isServed(one, functions));
    return {
      k: 'indexed',
      functions: served.map(described),
      errors: [],
      failure: failure ?? null,
      warnings: loaded.warnings,
      excluded: found.filter((one) => !isServed(one, functions)).map((one) => one.name),
      model: found.length > 0 ? 'v4' : 'none',
      python: '',
      node: process.versions.node,
      executable: process.execPath,
      sdk: versions(model),
      main: loaded.main ?? null,
      matched: loaded.matched,
    };
  }

  /** Run the start hooks, then ask the library what it wants. A failure of the app, or undefined. */
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

  /** Run the hooks for the end of the app, at most `seconds`. */
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

function isServed(one, functions) {
  return !functions || functions.some((name) => name.toLowerCase() === one.name.toLowerCase());
}

function described(one) {
  return {
    name: one.name,
    bindings: Object.entries(one.metadata.bindings ?? {}).map(([name, binding]) => ({ ...binding, name })),
    directory: one.directory,
    script_file: one.scriptFile,
    entry_point: '',
    retry: retryOf(one.metadata.retryOptions),
    is_async: true,
    http_type: 'function',
    source_file: one.place?.file ?? null,
    source_line: one.place?.line ?? null,
  };
}

/** The retry policy with durations in seconds, as the other workers report it. */
function retryOf(options) {
  if (options === undefined || options === null) {
    return null;
  }
  const seconds = (duration) => (duration === undefined || duration === null ? null : duration.seconds ?? 0);
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
