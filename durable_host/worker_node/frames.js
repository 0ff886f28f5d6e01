// The frames on the pipes between host and worker.
//
// A frame consists of two big-endian 32-bit lengths, a JSON header of the first length and a blob of the second. The
// blob contains bytes and long strings; the header refers to them by offset and length.
'use strict';

const LENGTHS = 8;
const INLINE_TEXT = 2048;

/** Builds the blob of an outgoing frame. */
class FrameBody {
  constructor() {
    this.parts = [];
    this.size = 0;
  }

  /** Add `data`, a Buffer. Returns its offset and length for the header. */
  add(data) {
    const place = [this.size, data.length];
    this.parts.push(data);
    this.size += data.length;
    return place;
  }
}

function encodeFrame(header, body) {
  const text = Buffer.from(JSON.stringify(header));
  const lengths = Buffer.allocUnsafe(LENGTHS);
  lengths.writeUInt32BE(text.length, 0);
  lengths.writeUInt32BE(body ? body.size : 0, 4);
  return Buffer.concat(body ? [lengths, text, ...body.parts] : [lengths, text]);
}

/** Splits a byte stream into frames. The blob of a frame is a view: copy what is needed later. */
class FrameParser {
  constructor() {
    this._chunks = [];
    this._size = 0;
    this._wanted = LENGTHS;
  }

  /** Return `{header, blob}` of each frame that `data` completes. Keeps the rest for the next call. */
  feed(data) {
    this._chunks.push(data);
    this._size += data.length;
    if (this._size < this._wanted) {
      return [];
    }
    const buffer = this._chunks.length === 1 ? this._chunks[0] : Buffer.concat(this._chunks, this._size);
    const frames = [];
    let start = 0;
    this._wanted = LENGTHS;
    while (buffer.length - start >= LENGTHS) {
      const headerStart = start + LENGTHS;
      const blobStart = headerStart + buffer.readUInt32BE(start);
      const end = blobStart + buffer.readUInt32BE(start + 4);
      if (end > buffer.length) {
        this._wanted = end - start;
        break;
      }
      const header = JSON.parse(buffer.toString('utf8', headerStart, blobStart));
      frames.push({ header, blob: buffer.subarray(blobStart, end) });
      start = end;
    }
    this._chunks = start < buffer.length ? [buffer.subarray(start)] : [];
    this._size = buffer.length - start;
    return frames;
  }
}

module.exports = { FrameBody, FrameParser, encodeFrame, INLINE_TEXT };
