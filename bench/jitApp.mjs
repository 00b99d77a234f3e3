/**
 * A release that is slow until its code has been run some hundred times: it renders a page from
 * templates that it compiles when they are first asked for, as template engines do.
 */
import { createServer } from 'node:http';

const rows = Array.from({ length: 400 }, (_, at) => ({
  id: at,
  name: `row ${at}`,
  price: at * 3.7,
}));
const compiled = new Map();

/** Compiled for each path at its first request, and not small. */
function templateOf(name) {
  const known = compiled.get(name);
  if (known) return known;
  const helpers = Array.from(
    { length: 120 },
    (_, at) =>
      `function h${at}(r) { return r.id % ${at + 2} ? r.name + ${at} : String(r.price * ${at}); }`,
  );
  const calls = Array.from({ length: 120 }, (_, at) => `out += h${at}(r).length % 7;`);
  const source = `${helpers.join('\n')}\nreturn (rows) => { let out = ''; for (const r of rows) { ${calls.join(' ')} } return out; };`;
  const made = new Function(source)();
  compiled.set(name, made);
  return made;
}

createServer((req, res) => {
  if (req.url === '/up') return res.end('ok');
  const text = templateOf(req.url)(rows);
  res.end(`${text.length}\n`);
}).listen(Number(process.env.PORT), '127.0.0.1');
