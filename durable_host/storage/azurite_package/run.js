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

// Fixes slow paths in Azurite's database, some of which make it stop responding. Its responses do not change.
function fixDatabase() {
  let loki;
  try {
    loki = require(require.resolve("lokijs", { paths: [path.dirname(path.resolve(program))] }));
  } catch {
    return; // another version of Azurite, with another database
  }
  removeFewDocumentsInPlace(loki.Collection.prototype);
  updateMessagesInPlace(loki.Collection.prototype);
  findRowsByBothKeys(loki.Collection.prototype);
  sortRowsLate(loki);
}

// To remove a batch of documents, the database sorts every index again, even if the batch has one document or none. Azurite
// removes the bodies of old messages one by one, once a minute: with some thousands of them it does not respond for half a
// minute. And with each request to a queue it removes the messages that have expired, usually none. A single document is
// removed here with `remove`, which updates the indexes in place.
function removeFewDocumentsInPlace(collection) {
  const { removeBatch, removeBatchByPositions } = collection;
  collection.removeBatch = function (documents) {
    if (documents.length > 1) {
      removeBatch.call(this, documents);
    } else if (documents.length === 1) {
      this.remove(documents[0]);
    }
  };
  collection.removeBatchByPositions = function (positions) {
    if (positions.length > 1) {
      removeBatchByPositions.call(this, positions);
    } else if (positions.length === 1) {
      this.remove(this.data[positions[0]]);
    }
  };
}

// The messages that a request receives are updated as a batch, and then the database sorts every index again, although
// no key in an index of messages ever changes.
function updateMessagesInPlace(collection) {
  const { update, adaptiveBinaryIndexUpdate } = collection;
  const hasMessages = ({ cloneObjects, binaryIndices }) => !cloneObjects && binaryIndices.messageId !== undefined;
  collection.update = function (documents) {
    if (!Array.isArray(documents) || !hasMessages(this)) {
      return update.call(this, documents);
    }
    documents.forEach((document) => this.update(document));
  };
  collection.adaptiveBinaryIndexUpdate = function (position, name) {
    return hasMessages(this) ? undefined : adaptiveBinaryIndexUpdate.call(this, position, name);
  };
}

function hasRows({ binaryIndices, cloneObjects }) {
  return !cloneObjects && binaryIndices.PartitionKey !== undefined && binaryIndices.RowKey !== undefined;
}

// Azurite looks up a row by RowKey and PartitionKey, in this order, and the database uses only the index of the first:
// it then checks every row with that RowKey. All instances of a task hub have the same RowKeys, so each read and write
// of a row takes longer the more instances there are. Here a map has the rows by both keys.
function findRowsByBothKeys(collection) {
  const { add, remove, clear, removeBatchByPositions, findOne } = collection;
  const maps = new WeakMap();
  const key = ({ PartitionKey, RowKey }) => `${PartitionKey}\0${RowKey}`;
  const mapOf = (rows) => {
    if (!maps.has(rows)) {
      maps.set(rows, new Map(rows.data.map((row) => [key(row), row.$loki])));
    }
    return maps.get(rows);
  };
  collection.findOne = function (query) {
    const { PartitionKey, RowKey } = query || {};
    const areKeys = typeof PartitionKey === "string" && typeof RowKey === "string" && Object.keys(query).length === 2;
    if (!areKeys || !hasRows(this)) {
      return findOne.call(this, query);
    }
    const id = mapOf(this).get(key(query));
    return id === undefined ? null : this.get(id);
  };
  collection.add = function (row) {
    const added = add.call(this, row);
    if (hasRows(this)) {
      mapOf(this).set(key(row), row.$loki);
    }
    return added;
  };
  collection.remove = function (row) {
    if (typeof row?.$loki === "number") {
      maps.get(this)?.delete(key(row));
    } else {
      maps.delete(this);
    }
    return remove.call(this, row);
  };
  collection.removeBatchByPositions = function (positions) {
    maps.delete(this);
    return removeBatchByPositions.call(this, positions);
  };
  collection.clear = function (options) {
    maps.delete(this);
    return clear.call(this, options);
  };
}

// The database keeps two sorted arrays of all rows, one by each key, and changes both with each write of a row. With the
// map, only the data file needs them, for an Azurite that runs without this program. Here they are sorted when the file
// is written. The arrays have the positions of the rows, and the rows that were inserted last are missing until then.
function sortRowsLate(loki) {
  const { adaptiveBinaryIndexInsert, adaptiveBinaryIndexUpdate, adaptiveBinaryIndexRemove, calculateRange } =
    loki.Collection.prototype;
  const { serialize } = loki.prototype;
  const { $lt, $gt } = loki.LokiOps;
  const sort = ({ binaryIndices, data }) => {
    for (const [name, { values }] of Object.entries(binaryIndices)) {
      if (values.length < data.length) {
        for (let position = values.length; position < data.length; position += 1) {
          values.push(position);
        }
        const compare = (a, b) => (a === b ? 0 : $lt(a, b) ? -1 : $gt(a, b) ? 1 : 0);
        values.sort((a, b) => compare(data[a][name], data[b][name]));
      }
    }
  };
  loki.Collection.prototype.adaptiveBinaryIndexInsert = function (position, name) {
    return hasRows(this) ? undefined : adaptiveBinaryIndexInsert.call(this, position, name);
  };
  loki.Collection.prototype.adaptiveBinaryIndexUpdate = function (position, name) {
    return hasRows(this) ? undefined : adaptiveBinaryIndexUpdate.call(this, position, name); // keys never change
  };
  loki.Collection.prototype.adaptiveBinaryIndexRemove = function (position, name, ...options) {
    if (!hasRows(this)) {
      return adaptiveBinaryIndexRemove.call(this, position, name, ...options);
    }
    this.binaryIndices[name].values.length = 0;
  };
  loki.Collection.prototype.calculateRange = function (...options) {
    if (hasRows(this)) {
      sort(this);
    }
    return calculateRange.apply(this, options);
  };
  loki.prototype.serialize = function (options) {
    this.collections.filter(hasRows).forEach(sort);
    return serialize.call(this, options);
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

// To find the operation that a request is for, Azurite compares the path with templates, which it parses again each time.
function keepParsedTemplates() {
  let file;
  try {
    file = require.resolve("uri-templates", { paths: [path.dirname(path.resolve(program))] });
  } catch {
    return; // another version of Azurite
  }
  const parse = require(file);
  const parsed = new Map();
  require.cache[file].exports = (template) => {
    if (!parsed.has(template)) {
      parsed.set(template, parse(template));
    }
    return parsed.get(template);
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
  keepParsedTemplates();
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
