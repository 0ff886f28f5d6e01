// Converts between values in frames and the typed data of `@azure/functions`.
//
// On the wire, a value is a list: its kind, then the value itself or its offset and length in the frame's blob.
'use strict';

const { asBuffer, copied } = require('./buffers');
const http = require('./http_data');
const { INLINE_TEXT } = require('./frames');

const NONE = ['none'];

/** The typed data for a wire value. */
function read(value, blob) {
  const [kind, content] = value;
  switch (kind) {
    case 'string':
    case 'json':
      return { [kind]: value.length === 2 ? content : blob.toString('utf8', content, content + value[2]) };
    case 'bytes':
      return { bytes: copied(blob, content, value[2]) };
    case 'int':
    case 'double':
      return { [kind]: content };
    case 'http':
      return { http: http.readRequest(content, blob) };
    case 'collection_string':
      return { collectionString: { string: content } };
    case 'collection_bytes':
      return { collectionBytes: { bytes: content.map(([start, size]) => copied(blob, start, size)) } };
    default:
      return {};
  }
}

/** Trigger metadata in the form of Azure's host: strings as strings, everything else as JSON. */
function readMetadata(metadata) {
  const result = {};
  for (const [name, value] of Object.entries(metadata ?? {})) {
    if (value !== null && value !== undefined) {
      result[name] = typeof value === 'string' ? { string: value } : { json: JSON.stringify(value) };
    }
  }
  return result;
}

/** The wire value for typed data from the library. */
function write(data, body) {
  if (data === null || data === undefined) {
    return NONE;
  }
  if (data.http !== undefined && data.http !== null) {
    return ['http', http.writeResponse(data.http, body)];
  }
  for (const kind of ['string', 'json']) {
    if (typeof data[kind] === 'string') {
      return writeText(kind, data[kind], body);
    }
  }
  if (data.bytes !== undefined && data.bytes !== null) {
    return ['bytes', ...body.add(asBuffer(data.bytes))];
  }
  if (typeof data.int === 'number') {
    // Written in digits: JSON.stringify would use an exponent from 1e21 on.
    return Number.isSafeInteger(data.int) ? ['int', data.int] : ['json', BigInt(data.int).toString()];
  }
  if (typeof data.double === 'number') {
    return Number.isFinite(data.double) ? ['double', data.double] : ['string', String(data.double)];
  }
  return NONE;
}

function writeText(kind, text, body) {
  return text.length <= INLINE_TEXT ? [kind, text] : [kind, ...body.add(Buffer.from(text))];
}

module.exports = { read, readMetadata, write };
