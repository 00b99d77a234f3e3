/** What services do at their edge, and sticky sessions: on streams of HTTP/2 by the tables of the lanes. */
import type http from 'node:http';
import type { ClientHttp2Session } from 'node:http2';
import { createGeneralLane } from '../../../src/proxy/general/lane.ts';
import { createHttp2Front } from '../../../src/proxy/http2/front.ts';
import type { Ask, Got } from '../../support/client.ts';
import { ask, http2Client } from '../../support/http2.ts';
import type { MakeLane } from '../../support/proxy.ts';
import { edgeSuite } from '../lane/edges.ts';
import type { Speaker } from '../lane/speaker.ts';
import { stickySuite } from '../lane/sticky.ts';

const front: MakeLane = (plane) => createHttp2Front(createGeneralLane(plane).around);

/** One connection for each agent that keeps one. */
const kept = new WeakMap<http.Agent, ClientHttp2Session>();

function sessionOf(port: number, agent: http.Agent | undefined): ClientHttp2Session {
  if (agent === undefined) return http2Client(port);
  const session = kept.get(agent) ?? http2Client(port);
  kept.set(agent, session);
  return session;
}

async function askByStream(port: number, what: Ask = {}): Promise<Got> {
  const { method = 'GET', path = '/', headers = {}, body, agent } = what;
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers).flat();
  const fields: Record<string, string | string[]> = {};
  let authority = 'shop.test';
  for (let at = 0; at < pairs.length; at += 2) {
    const name = String(pairs[at]).toLowerCase();
    const value = String(pairs[at + 1]);
    const before = fields[name];
    if (name === 'host') authority = value;
    else fields[name] = before === undefined ? value : [before, value].flat();
  }
  const pseudo = { ':method': method, ':path': path, ':authority': authority };
  const session = sessionOf(port, agent);
  const got = await ask(session, { ...pseudo, ...fields }, body === undefined ? {} : { body });
  if (agent === undefined) session.close();
  if (!got.whole) throw new Error(`the stream was reset: ${got.reset}`);
  const told = { reason: '', rawHeaders: [], bytes: got.body.length, interim: [] };
  return { ...told, ...got, headers: got.headers, trailers: got.trailers as NodeJS.Dict<string> };
}

const http2: Speaker = { ask: askByStream, proto: 'https', speaksBytes: false };

edgeSuite('http2', front, http2);
stickySuite('http2', front, http2);
