// Runs the Azurite program named by the first argument and shuts it down gracefully when standard input ends:
// the host holds the other end of that pipe, so that Azurite saves its data and exits even if the host is killed.
// While it runs, the file named by DURABLE_HOST_AZURITE_NOTE contains its process ID and that of the host.
"use strict";

const crypto = require("crypto");
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
// of a row takes longer the more instances there are. Here the rows with the same PartitionKey are checked, or those
// with the same RowKey if they are fewer.
const FEW_ROWS = 32;

function findRowsByTheNarrowerKey(collection) {
  const findOne = collection.findOne;
  collection.findOne = function (query) {
    const { PartitionKey, RowKey, ...others } = query || {};
    const areKeys = typeof PartitionKey === "string" && typeof RowKey === "string" && Object.keys(others).length === 0;
    const indices = this.binaryIndices;
    if (!areKeys || !indices.PartitionKey || !indices.RowKey || this.cloneObjects) {
      return findOne.call(this, query);
    }
    const range = (name) => {
      this.ensureIndex(name);
      const [first, last] = this.calculateRange("$eq", name, query[name]);
      return { first, last, rows: indices[name].values };
    };
    let narrower = range("PartitionKey");
    if (narrower.last - narrower.first >= FEW_ROWS) {
      const other = range("RowKey");
      narrower = other.last - other.first < narrower.last - narrower.first ? other : narrower;
    }
    for (let position = narrower.first; position <= narrower.last; position += 1) {
      const row = this.data[narrower.rows[position]];
      if (row.RowKey === RowKey && row.PartitionKey === PartitionKey) {
        return row;
      }
    }
    return null;
  };
}

// Azurite prepares the account's key again for each signature, which takes most of the time of a signature.
function keepPreparedKeys() {
  const file = azuriteFile("common/utils/utils.js");
  if (file === null || typeof require(file).computeHMACSHA256 !== "function") {
    return;
  }
  const compute = require(file).computeHMACSHA256;
  const prepared = new WeakMap();
  require(file).computeHMACSHA256 = (text, key) => {
    if (!(key instanceof Uint8Array)) {
      return compute(text, key);
    }
    if (!prepared.has(key)) {
      prepared.set(key, crypto.createSecretKey(key));
    }
    return crypto.createHmac("sha256", prepared.get(key)).update(text, "utf8").digest("base64");
  };
}

// Azurite loads its blob service for SQL databases in each start, which takes a seventh of the time, and uses the other.
function loadSqlServiceWhenUsed() {
  const file = azuriteFile("blob/SqlBlobServer.js");
  if (file !== null) {
    const exports = {
      __esModule: true,
      get default() {
        delete require.cache[file];
        return require(file).default;
      },
    };
    require.cache[file] = { id: file, filename: file, loaded: true, exports };
  }
}

function azuriteFile(name) {
  try {
    return require.resolve(path.join(path.dirname(path.resolve(program)), name));
  } catch {
    return null; // another version of Azurite
  }
}

if (program.endsWith(".js")) {
  fixDatabase();
  keepPreparedKeys();
  loadSqlServiceWhenUsed();
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
