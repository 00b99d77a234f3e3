/**
 * What browsers are told with every answer, and the page where none is built.
 *
 * The rule this file keeps: nothing that is served here may load or be framed by anything foreign.
 */

/** The page and the documents may load only what this server serves. */
const csp = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/** Swagger UI sets style attributes and draws its icons from data URLs. */
const docsCsp = `${csp}; style-src 'self' 'unsafe-inline'; img-src 'self' data:`;

/** Header fields of every answer. @param url path and query of the request. */
export function browserHeaders(url: string): Readonly<Record<string, string>> {
  return {
    'cache-control': 'no-store',
    'content-security-policy': url.startsWith('/docs') ? docsCsp : csp,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'x-frame-options': 'DENY',
    'cross-origin-resource-policy': 'same-origin',
  };
}

/** Served at / where the page is not built; its links hold under a prefix of another proxy too. */
export const plainPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Pointsman</title>
<h1>Pointsman</h1>
<p>This is the admin API. The page is not built here.</p>
<ul>
<li><a href="./docs">/docs</a>: every call,
<a href="./openapi.json">/openapi.json</a>: for programs
<li><a href="./v1/services">/v1/services</a>, <a href="./v1/deployments">/v1/deployments</a>,
<a href="./v1/events?after=0&amp;follow=false">/v1/events</a>
<li><a href="./metrics">/metrics</a>,
<a href="./healthz">/healthz</a>, <a href="./readyz">/readyz</a>
</ul></html>
`;
