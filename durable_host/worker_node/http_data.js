// Converts HTTP requests and responses between frames and the library.
'use strict';

const { asBuffer, copied } = require('./buffers');

const BODYLESS = new Set(['GET', 'HEAD']);
const SAME_SITE = { lax: 'lax', strict: 'strict', explicitNone: 'none' };

/** The request in the library's form. Repeated query keys are joined; empty values are kept. */
function readRequest(request, blob) {
  const [start, size] = request.body;
  const data = {
    method: request.method,
    url: request.url,
    nullableHeaders: nullable(request.headers, (name) => name.toLowerCase()),
    nullableQuery: nullable(queryOf(request.url)),
    nullableParams: nullable(request.params),
  };
  if (size > 0 && !BODYLESS.has(request.method.toUpperCase())) {
    data.body = { bytes: copied(blob, start, size) };
  }
  return data;
}

function queryOf(url) {
  const query = Object.create(null);
  for (const [name, value] of new URL(url).searchParams) {
    query[name] = name in query ? `${query[name]},${value}` : value;
  }
  return query;
}

function nullable(values, named = (name) => name) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [named(name), { value }]));
}

/** Status, headers, complete Set-Cookie values and body of a response from the library. */
function writeResponse(response, body) {
  const headers = {};
  const cookies = (response.cookies ?? []).map(cookieText);
  for (const [name, value] of Object.entries(response.headers ?? {})) {
    if (name.toLowerCase() === 'set-cookie') {
      cookies.push(String(value));
    } else {
      headers[name] = String(value);
    }
  }
  const bytes = response.body?.bytes ?? response.body?.string ?? '';
  const content = typeof bytes === 'string' ? Buffer.from(bytes) : asBuffer(bytes);
  return { status: Number(response.statusCode ?? 200), headers, cookies, body: body.add(content), complete: true };
}

/** A Set-Cookie header in the format of ASP.NET. */
function cookieText(cookie) {
  const parts = [`${cookie.name}=${escaped(String(cookie.value ?? ''))}`];
  const seconds = cookie.expires?.value?.seconds;
  if (seconds !== undefined && seconds !== null) {
    parts.push(`expires=${new Date(Number(seconds) * 1000).toUTCString()}`);
  }
  if (cookie.maxAge?.value !== undefined && cookie.maxAge?.value !== null) {
    parts.push(`max-age=${Math.trunc(cookie.maxAge.value)}`);
  }
  if (cookie.domain?.value) {
    parts.push(`domain=${cookie.domain.value}`);
  }
  parts.push(`path=${cookie.path?.value || '/'}`);
  if (cookie.secure?.value) {
    parts.push('secure');
  }
  if (SAME_SITE[cookie.sameSite] !== undefined) {
    parts.push(`samesite=${SAME_SITE[cookie.sameSite]}`);
  }
  if (cookie.httpOnly?.value) {
    parts.push('httponly');
  }
  return parts.join('; ');
}

function escaped(value) {
  return encodeURIComponent(value.toWellFormed?.() ?? value).replace(
    /[!'()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`
  );
}

module.exports = { readRequest, writeResponse };
