/**
 * Fields of connections of HTTP/1.
 *
 * The rule this file keeps: a message of HTTP/2 has none of them, in neither direction
 * (RFC 9113 section 8.2.2). TE is one as well, but that a request may say `trailers`.
 */
export const connectionFields: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);
