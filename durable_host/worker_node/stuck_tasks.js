// Finds tasks that never complete because of bugs in `durable-functions`, so that the orchestrator hangs.
'use strict';

const WHEN_ANY = 11;
const WHEN_ALL = 12;
const RUNNING = 0;
const COMPLETED = 2;

/** A sentence for the author of the code, or undefined if the task can complete. */
function stuckTask(task, functionName) {
  if (task.stateObj !== RUNNING) {
    return (
      `The orchestrator '${functionName}' waits for an event that has already arrived: this version of ` +
      'durable-functions does not resume the code if an event arrives before the wait for it. ' +
      'Update to durable-functions 3.5, or start waiting before the event is raised.'
    );
  }
  const late = lateTask(task);
  if (late === undefined) {
    return undefined;
  }
  return (
    `The orchestrator '${functionName}' waits for a Task.${late} of tasks that completed before it was created. ` +
    'durable-functions does not check those, so it may wait forever. Omit completed tasks from the list.'
  );
}

/** `all` or `any` if `task` contains a compound task that can no longer complete, because its children already have. */
function lateTask(task) {
  const kind = task.actionObj && task.actionObj.actionType;
  if ((kind !== WHEN_ANY && kind !== WHEN_ALL) || task.stateObj !== RUNNING) {
    return undefined;
  }
  const settled = task.children.filter((child) => child.stateObj !== RUNNING);
  if (kind === WHEN_ANY && settled.length > 0) {
    return 'any';
  }
  const hasFailed = settled.some((child) => child.stateObj !== COMPLETED);
  if (kind === WHEN_ALL && (settled.length === task.children.length || hasFailed)) {
    return 'all';
  }
  for (const child of task.children) {
    const late = lateTask(child);
    if (late !== undefined) {
      return late;
    }
  }
  return undefined;
}

module.exports = { stuckTask };
