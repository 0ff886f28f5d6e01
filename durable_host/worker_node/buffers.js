// Bytes as Buffers.
'use strict';

/** A Buffer with its own memory: a part of `blob`. */
function copied(blob, start, size) {
  return Buffer.from(blob.subarray(start, start + size));
}

/** A Buffer on the memory of any kind of byte array. */
function asBuffer(bytes) {
  if (Buffer.isBuffer(bytes)) {
    return bytes;
  }
  return ArrayBuffer.isView(bytes)
    ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : Buffer.from(bytes);
}

module.exports = { asBuffer, copied };
