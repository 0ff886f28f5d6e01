// Runs the Azurite program named by the first argument and shuts it down in good order when standard input ends:
// the host holds the other end of that pipe, so that Azurite saves and exits even when the host was killed.
// Keeps a note of itself in the file named by DURABLE_HOST_AZURITE_NOTE as long as it runs.
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

// Azurite's database removes a batch of documents by sorting every index anew, also when the batch is one document.
// Azurite sweeps the bodies of old messages that way, one by one, once a minute: with some thousand of them it stands
// still for half a minute and answers nobody. One document is removed here with the database's own `remove`, which
// takes it out of the indices in place.
function removeSingleDocumentsInPlace() {
  let collection;
  try {
    collection = require(require.resolve("lokijs", { paths: [path.dirname(path.resolve(program))] })).Collection.prototype;
  } catch {
    return; // another version of Azurite, with another database
  }
  const removeBatch = collection.removeBatchByPositions;
  collection.removeBatchByPositions = function (positions) {
    return positions.length === 1 ? this.remove(this.data[positions[0]]) : removeBatch.call(this, positions);
  };
}

if (program.endsWith(".js")) {
  removeSingleDocumentsInPlace();
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
