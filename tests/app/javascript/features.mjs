// What the JavaScript SDK can do, against a task hub at the address that is the first argument. Prints one JSON object.
import sdk from "@microsoft/durabletask-js";

const { EntityInstanceId, NoOpLogger, OrchestrationStatus, RetryPolicy, TaskEntity, TaskHubGrpcClient, TaskHubGrpcWorker } = sdk;
const { VersionFailureStrategy, VersionMatchStrategy, whenAll } = sdk;
const hostAddress = process.argv[2];
const logger = new NoOpLogger();
const TIMEOUT = 40;

const calls = [];
const mended = new Set();

const work = async (_, name) => {
  calls.push(name);
  if (name.startsWith("bad") && !mended.has(name)) {
    throw new Error(`${name} is broken`);
  }
  return `${name} done`;
};

class Counter extends TaskEntity {
  add(amount) {
    this.state.value += amount;
    return this.state.value;
  }
  get() {
    return this.state.value;
  }
  initializeState() {
    return { value: 0 };
  }
}

const counter = (key) => new EntityInstanceId("counter", key);

async function* child(context, name) {
  return [context.instanceId, yield context.callActivity(work, name)];
}

async function* parent(context, names) {
  const children = names.map((name) =>
    context.callSubOrchestrator(child, name, { instanceId: `${context.instanceId}-${name}` }),
  );
  return yield whenAll(children);
}

async function* failingParent(context, name) {
  const first = yield context.callActivity(work, "first");
  return [first, yield context.callSubOrchestrator(child, name, { instanceId: `${context.instanceId}-child` })];
}

async function* entities(context) {
  const one = yield context.entities.callEntity(counter("a"), "add", 1);
  context.entities.signalEntity(counter("a"), "add", 10);
  const two = yield context.entities.callEntity(counter("a"), "get");
  return [one, two];
}

async function* transfer(context, amount) {
  const lock = yield context.entities.lockEntities(counter("from"), counter("to"));
  const inside = context.entities.isInCriticalSection().inSection;
  const from = yield context.entities.callEntity(counter("from"), "add", -amount);
  const to = yield context.entities.callEntity(counter("to"), "add", amount);
  lock.release();
  return [inside, context.entities.isInCriticalSection().inSection, from + to];
}

async function* retried(context) {
  const policy = new RetryPolicy({ maxNumberOfAttempts: 3, firstRetryIntervalInMilliseconds: 10 });
  try {
    yield context.callActivity(work, "bad forever", { retry: policy });
  } catch (error) {
    return calls.filter((name) => name === "bad forever").length;
  }
}

async function* versioned(context) {
  return context.version;
}

async function* parentOfVersioned(context) {
  return [context.version, yield context.callSubOrchestrator(versioned, null, { version: "1.5.0" })];
}

function workerWith(options = {}) {
  const worker = new TaskHubGrpcWorker({ hostAddress, logger, ...options });
  worker.addActivity(work);
  for (const one of [child, parent, failingParent, entities, transfer, retried, versioned, parentOfVersioned]) {
    worker.addOrchestrator(one);
  }
  worker.addNamedEntity("counter", () => new Counter());
  return worker;
}

const client = new TaskHubGrpcClient({ hostAddress, logger });

async function end(id) {
  const state = await client.waitForOrchestrationCompletion(id, true, TIMEOUT);
  if (state.runtimeStatus !== OrchestrationStatus.COMPLETED) {
    return { failed: state.failureDetails?.message ?? "without a message" };
  }
  return state.serializedOutput === undefined ? null : JSON.parse(state.serializedOutput);
}

const run = async (orchestrator, input, options) => end(await client.scheduleNewOrchestration(orchestrator, input, options));

const seen = {};
let worker = workerWith();
await worker.start();
seen.children = await run(parent, ["a", "b"], { instanceId: "family" });
seen.entities = await run(entities);
seen.locks = await Promise.all([1, 2, 3].map((amount) => run(transfer, amount)));
const balance = await client.getEntity(counter("to"), true);
seen.balance = balance.state;
seen.retries = await run(retried);

const id = await client.scheduleNewOrchestration(failingParent, "bad", { instanceId: "broken" });
seen.failed = (await end(id)).failed !== undefined;
mended.add("bad");
calls.length = 0;
await client.rewindInstance(id, "it is mended");
seen.rewound = await end(id);
seen.ranAgain = [...calls];
seen.history = (await client.getOrchestrationHistory(id)).length > 0;
await worker.stop();

worker = workerWith({
  versioning: {
    version: "2.0.0",
    defaultVersion: "2.0.0",
    matchStrategy: VersionMatchStrategy.CurrentOrOlder,
    failureStrategy: VersionFailureStrategy.Fail,
  },
});
await worker.start();
seen.versions = await run(parentOfVersioned, null, { version: "2.0.0" });
seen.newer = (await run(versioned, null, { version: "3.0.0" })).failed !== undefined;
await worker.stop();
await client.stop();
console.log(JSON.stringify(seen));
process.exit(0);
