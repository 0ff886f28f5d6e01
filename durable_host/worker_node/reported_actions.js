// The actions of one orchestration in the form in which they are reported to the host.
//
// `durable-functions` lists the tasks of a `Task.all` or `Task.any` even if they were scheduled before. The worker
// sends a reference: `{actionType: 'Scheduled', task: [number of the top-level action, index among its leaves]}`.
'use strict';

const { textOfPlace } = require('./code_places');

const CREATE_TIMER = 5;
const SCHEDULED = 'Scheduled';

class ReportedActions {
  constructor(functionName) {
    this._functionName = functionName;
    this.count = 0;
    this._leaves = new Map();
    this._timers = [];
    this._stacks = new Map();
    this._places = new Map();
  }

  /** Store the stack at which user code created the task of `action`. */
  madeAt(action, stack) {
    this._stacks.set(action, stack);
  }

  /** The actions in the form for the host. Each takes the next number. */
  report(actions) {
    return actions.map((action) => {
      const position = { number: this.count++, leaf: 0 };
      return isCompound(action) ? this._compound(action, position) : this._leaf(action, position);
    });
  }

  /** Where user code created the first task of an action, or undefined if unknown. */
  place(action) {
    if (isCompound(action)) {
      for (const child of action.compoundActions) {
        const place = this.place(child);
        if (place !== undefined) {
          return place;
        }
      }
      return undefined;
    }
    const stack = this._stacks.get(action);
    if (stack !== undefined) {
      this._stacks.delete(action);
      this._places.set(action, textOfPlace(stack, this._functionName));
    }
    return this._places.get(action);
  }

  /** Timers that were cancelled after they were reported, as `[action number, leaf]`. */
  takeCanceled() {
    const canceled = this._timers.filter(({ action }) => action.isCanceled);
    this._timers = this._timers.filter(({ action }) => !action.isCanceled);
    return canceled.map(({ task }) => task);
  }

  _compound(action, position) {
    const children = action.compoundActions.map((child) =>
      isCompound(child) ? this._compound(child, position) : this._leaf(child, position),
    );
    return { ...action, compoundActions: children };
  }

  _leaf(action, position) {
    const task = [position.number, position.leaf++];
    const first = this._leaves.get(action);
    if (first !== undefined) {
      return { actionType: SCHEDULED, task: first };
    }
    this._leaves.set(action, task);
    if (action.actionType === CREATE_TIMER && !action.isCanceled) {
      this._timers.push({ action, task });
    }
    return action;
  }
}

function isCompound(action) {
  return Array.isArray(action.compoundActions);
}

module.exports = { ReportedActions, isCompound };
