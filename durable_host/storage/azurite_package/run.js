// Runs the Azurite program named by the first argument and shuts it down gracefully when standard input ends:
// the host holds the other end of that pipe, so that Azurite saves its data and exits even if the host is killed.
// While it runs, the file named by DURABLE_HOST_AZURITE_NOTE contains its process ID and that of the host.
"use strict";

const fs = require("fs");
const path = require("path");

const GRACE_MILLISECONDS = 30000;
const program = process.argv[2];
const note = process.env.DURABLE_HOST_AZURITE_NOTE;
let child = null;

function stop() {
  setTimeout(() => process.exit(1), GRACE_MILLISECONDS).unref();
  if (child !== null) {
    child.kill("SIGTERM");
  } else if (process.listenerCount("SIGTERM") > 0) {
    process.emit("SIGTERM");
  } else {
    process.exit(0);
  }
}

if (note) {
  fs.writeFileSync(note, JSON.stringify({ pid: process.pid, host: Number(process.env.DURABLE_HOST_PID) }));
  process.on("exit", () => fs.rmSync(note, { force: true }));
}

process.stdin.on("end", stop);
process.stdin.on("error", stop);
process.stdin.resume();
process.stdin.unref();

// Fixes two slow paths in Azurite's database that make it stop responding. Its responses do not change.
function fixDatabase() {
  let collection;
  try {
    collection = require(require.resolve("lokijs", { paths: [path.dirname(path.resolve(program))] })).Collection.prototype;
  } catch {
    return; // another version of Azurite, with another database
  }
  removeSingleDocumentsInPlace(collection);
  findRowsByTheNarrowerKey(collection);
}

// To remove a batch of documents, the database sorts every index again, even if the batch has one document. Azurite
// removes the bodies of old messages that way, one by one, once a minute: with some thousands of them it does not
// respond for half a minute. A single document is removed here with `remove`, which updates the indexes in place.
function removeSingleDocumentsInPlace(collection) {
  const removeBatch = collection.removeBatchByPositions;
  collection.removeBatchByPositions = function (positions) {
    return positions.length === 1 ? this.remove(this.data[positions[0]]) : removeBatch.call(this, positions);
  };
}

// Azurite looks up a row by RowKey and PartitionKey, in this order, and the database uses only the index of the first:
// it then checks every row with that RowKey. All instances of a task hub have the same RowKeys, so each read and write
// of a row takes longer the more instances there are. Here the key that fewer rows share comes first.
function findRowsByTheNarrowerKey(collection) {
  const findOne = collection.findOne;
  collection.findOne = function (query) {
    const { PartitionKey, RowKey } = query || {};
    const indices = this.binaryIndices;
    if (typeof PartitionKey === "string" && typeof RowKey === "string" && indices.PartitionKey && indices.RowKey) {
      const rows = (name) => {
        this.ensureIndex(name);
        const [first, last] = this.calculateRange("$eq", name, query[name]);
        return last - first;
      };
      if (rows("PartitionKey") < rows("RowKey")) {
        return findOne.call(this, { PartitionKey, ...query });
      }
    }
    return findOne.call(this, query);
  };
}

if (program.endsWith(".js")) {
  fixDatabase();
  process.argv.splice(1, 2, path.resolve(program));
  require(path.resolve(program));
} else {
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child = require("child_process").spawn(program, process.argv.slice(3), {
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
  child.on("exit", (code) => process.exit(code === null ? 1 : code));
  child.on("error", (error) => {
    console.error(error.message);
    process.exit(1);
  });
}
