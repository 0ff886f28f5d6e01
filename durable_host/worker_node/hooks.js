// Hooks that the app registers with `app.hook.*`, in the order in which they were registered.
'use strict';

const HOOK_NAMES = ['preInvocation', 'postInvocation', 'appStart', 'appTerminate', 'log'];

class Hooks {
  constructor(logs, root) {
    this._logs = logs;
    this._root = root;
    this._byName = new Map(HOOK_NAMES.map((name) => [name, []]));
    this._isLogging = false;
    this.appHookData = {};
    this._appData = {};
  }

  /** Register a hook. Returns a function that removes it. */
  add(name, callback) {
    const hooks = this._byName.get(name);
    hooks.push(callback);
    if (name === 'log') {
      this._logs.beforeSending = (record, owner) => this._runLogHooks(record, owner);
    }
    return () => {
      const at = hooks.indexOf(callback);
      if (at >= 0) {
        hooks.splice(at, 1);
      }
    };
  }

  has(name) {
    return this._byName.get(name).length > 0;
  }

  /** Run each hook of this name with `context`, one after the other. */
  async run(name, context) {
    const hooks = this._byName.get(name);
    if (hooks.length === 0) {
      return;
    }
    this._logs.report('debug', `Executing ${hooks.length} "${name}" hooks`);
    for (const hook of [...hooks]) {
      await hook(context);
    }
    this._logs.report('debug', `Executed "${name}" hooks`);
  }

  /** The context of `appStart` and `appTerminate`. */
  appContext() {
    const context = { functionAppDirectory: this._root };
    return frozenMembers(context, { hookData: this._appData, appHookData: this.appHookData });
  }

  _runLogHooks(record, owner) {
    if (this._isLogging) {
      return record;
    }
    const changed = { level: record.level, category: record.category, message: record.message };
    const isUsers = record.category === 'user';
    const context = frozenMembers(isUsers ? changed : {}, {
      ...(isUsers ? {} : changed),
      invocationContext: owner?.context,
      hookData: owner?.hookData ?? {},
      appHookData: this.appHookData,
    });
    this._isLogging = true;
    try {
      for (const hook of this._byName.get('log')) {
        try {
          hook(context);
        } catch {
          // A log hook must not end the code that logs.
        }
      }
    } finally {
      this._isLogging = false;
    }
    return isUsers ? { ...changed, message: String(changed.message) } : record;
  }
}

/** Add read-only members to `context`. */
function frozenMembers(context, members) {
  for (const [name, value] of Object.entries(members)) {
    Object.defineProperty(context, name, {
      enumerable: true,
      get: () => value,
      set: () => {
        throw new Error(`Cannot assign to read only property '${name}'`);
      },
    });
  }
  return context;
}

module.exports = { Hooks, HOOK_NAMES, frozenMembers };
