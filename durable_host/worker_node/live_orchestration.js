// A live orchestrator: the executor of `durable-functions` with its context and the user's generator, which gets the
// events one by one. The first turn is an ordinary invocation; the package stores its executor on the context.
'use strict';

const { stackAbove } = require('./code_places');
const { toError } = require('./errors');
const { errorText, failureOf } = require('./orchestrator_errors');
const { ReportedActions } = require('./reported_actions');
const { stuckTask } = require('./stuck_tasks');
const { watchDf } = require('./watched_context');

const MEMBERS = ['actions', 'currentTask', 'isDoneExecuting', 'hasCompletedSuccessfully', 'processEvent'];
const TASK_MAKERS = [
  'callActivity', 'callActivityWithRetry', 'callEntity', 'callHttp', 'callSubOrchestrator',
  'callSubOrchestratorWithRetry', 'createTimer', 'lock', 'waitForExternalEvent',
];
const ACTION_MAKERS = ['continueAsNew', 'signalEntity'];

/** The installed package has no executor that the worker can use. */
class CannotDrive extends Error {}

class LiveOrchestration {
  /** `seen` is the length of the history that was processed, including decisions. */
  constructor(functionId, invocation) {
    this.functionId = functionId;
    this.invocation = invocation;
    this.seen = 0;
    this._executor = undefined;
    this._newFrom = 0;
    this._index = 0;
    this._noted = 0;
    this._at = [];
    this._reported = new ReportedActions(functionId);
    this._ended = undefined;
    this._isReplay = true;
    this._isStuck = false;
  }

  get hasEnded() {
    return this._ended !== undefined;
  }

  /** Whether the executor has the error that the code raised, which is then the error of the invocation. */
  get hasRaised() {
    return this._executor !== undefined && this._executor.exception !== undefined;
  }

  /** Observe the context of the first turn: the package sets `df` on it before it runs any code. */
  watch(context, newFrom) {
    this._newFrom = newFrom;
    watchDf(context, (df) => this._attach(df));
  }

  /** Process new events, given as `[index, event]`. Throws what the package throws. */
  advance(events, newFrom) {
    this._newFrom = newFrom;
    this._isReplay = false;
    for (const [index, event] of events) {
      if (typeof event.Timestamp === 'string') {
        event.Timestamp = new Date(event.Timestamp);
      }
      this._feed(index, event);
      if (this.hasEnded) {
        return;
      }
    }
  }

  /** The actions of the code since the last answer. Throws a TypeError for values that are not JSON. */
  answer() {
    const executor = this._executor;
    if (executor === undefined) {
      throw new CannotDrive(
        'The orchestrator ran without the executor of durable-functions, so its actions are not known. ' +
          'Install durable-functions 3.x and register it with df.app.orchestration.',
      );
    }
    const canceled = this._reported.takeCanceled();
    const first = this._reported.count;
    const fresh = executor.actions.slice(first, this._noted);
    const state = this._state(this._reported.report(fresh));
    const answer = { state: JSON.stringify(state), at: this._at, first };
    this._at = [];
    if (canceled.length > 0) {
      answer.canceled = canceled;
    }
    if (this.hasEnded) {
      answer.ended = this._ended;
    }
    if (this._isReplay) {
      addPlaces(answer, fresh.map((action) => this._reported.place(action)));
    }
    if (executor.exception !== undefined) {
      const isAsync = executor.generator?.[Symbol.asyncIterator] !== undefined;
      Object.assign(answer, failureOf(executor.exception, this._position(), isAsync));
    } else if (!this.hasEnded) {
      this._addWhereItWaits(answer);
    }
    return answer;
  }

  _attach(df) {
    const executor = df && df.taskOrchestratorExecutor;
    const missing = executor ? MEMBERS.find((name) => executor[name] === undefined) : 'taskOrchestratorExecutor';
    if (missing !== undefined) {
      throw new CannotDrive(
        `The installed version of durable-functions has no '${missing}', so this host cannot run its ` +
          'orchestrations. Install durable-functions 3.x.',
      );
    }
    this._executor = executor;
    this._noteTasks(df);
    seeUndefinedErrors(executor);
    this._process = executor.processEvent;
    let index = 0;
    executor.processEvent = (event) => this._feed(index++, event);
  }

  _feed(index, event) {
    const executor = this._executor;
    this._index = index;
    executor._isReplaying = index < this._newFrom;
    try {
      this._process.call(executor, event);
    } finally {
      const count = executor.actions.length;
      for (; this._noted < count; this._noted++) {
        this._at.push(index);
      }
    }
    if (executor.isDoneExecuting()) {
      this._ended = index;
    }
  }

  /** Record where user code creates its tasks, for error messages and diagnostics. */
  _noteTasks(df) {
    const reported = this._reported;
    const executor = this._executor;
    for (const name of TASK_MAKERS) {
      replace(df, name, (original) => function made(...parameters) {
        const task = original.apply(df, parameters);
        if (task && task.actionObj) {
          reported.madeAt(task.actionObj, stackAbove(made));
        }
        return task;
      });
    }
    for (const name of ACTION_MAKERS) {
      replace(df, name, (original) => function made(...parameters) {
        const count = executor.actions.length;
        const result = original.apply(df, parameters);
        if (executor.actions.length > count) {
          reported.madeAt(executor.actions[count], stackAbove(made));
        }
        return result;
      });
    }
  }

  /** The package's answer with the given actions. Like the package, it drops a custom status that is falsy. */
  _state(actions) {
    const executor = this._executor;
    const { customStatus } = executor.context;
    const state = {
      isDone: executor.hasCompletedSuccessfully(),
      actions: [actions],
      output: executor.output,
      schemaVersion: executor.schemaVersion,
    };
    if (executor.exception !== undefined) {
      state.error = errorText(executor.exception);
    }
    if (customStatus) {
      state.customStatus = customStatus;
    }
    return state;
  }

  /** Where the code created the task that it waits for. */
  _position() {
    const action = this._executor.currentTask.actionObj;
    return action instanceof Object ? this._reported.place(action) : undefined;
  }

  _addWhereItWaits(answer) {
    const task = this._executor.currentTask;
    const position = this._position();
    if (position !== undefined) {
      answer.position = position;
    }
    const warning = this._isStuck ? undefined : stuckTask(task, this.functionId);
    if (warning !== undefined) {
      this._isStuck = true;
      answer.warnings = [warning];
    }
  }
}

/** The package treats a thrown undefined like no error, so the instance would hang. */
function seeUndefinedErrors(executor) {
  let { exception } = executor;
  const { initialize } = executor;
  Object.defineProperty(executor, 'exception', {
    configurable: true,
    enumerable: true,
    get: () => exception,
    set: (thrown) => {
      exception = thrown === undefined ? toError(thrown) : thrown;
    },
  });
  executor.initialize = () => {
    initialize.call(executor);
    exception = undefined;
  };
}

function replace(object, name, make) {
  const original = object[name];
  if (typeof original === 'function') {
    Object.defineProperty(object, name, { value: make(original), configurable: true, writable: true });
  }
}

function addPlaces(answer, places) {
  const texts = [...new Set(places.map((place) => (place === undefined ? null : place)))];
  if (texts.some((text) => text !== null)) {
    answer.places = [texts, places.map((place) => texts.indexOf(place === undefined ? null : place))];
  }
}

module.exports = { CannotDrive, LiveOrchestration };
