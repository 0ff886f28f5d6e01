// How a function's trigger and what starts it are written.

const TRIGGERS = {
  httpTrigger: 'HTTP', queueTrigger: 'Queue', timerTrigger: 'Timer', blobTrigger: 'Blob', eventGridTrigger: 'Event Grid', warmupTrigger: 'Warm-up',
  orchestrationTrigger: 'Orchestrator', activityTrigger: 'Activity', entityTrigger: 'Entity',
};

export const triggerName = ({ trigger }) => TRIGGERS[trigger] ?? trigger;

/** The path of an HTTP function with its `{parameters}`; null for other functions. */
export function pathOf({ url, route }) {
  const text = url?.replace(/^https?:\/\/[^/]+/, '') ?? route ?? null;
  return text === null || text.startsWith('/') ? text : `/${text}`;
}

/** What starts the function, in one line. */
export function startOf(item) {
  const path = pathOf(item);
  return path === null ? (item.queue ?? item.schedule ?? '') : `${(item.methods ?? []).join(' ') || 'ANY'} ${path}`;
}
