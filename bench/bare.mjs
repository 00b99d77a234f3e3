/**
 * http-proxy as its README shows it, with a keep-alive agent: the yardstick for what Pointsman
 * adds.
 */
import { Agent, createServer } from 'node:http';
import httpProxy from 'http-proxy';

const [port, origin] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 256 });
const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${origin}`, agent });
proxy.on('error', (_error, _req, res) => res.destroy?.());
const server = createServer((req, res) => proxy.web(req, res));
server.on('upgrade', (req, socket, head) => proxy.ws(req, socket, head));
server.listen(Number(port), '127.0.0.1');
