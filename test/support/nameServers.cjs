/**
 * Loaded into a process of Pointsman before it begins (`--require`): its resolvers ask the name server
 * that NAME_SERVER says, where everybody else's ask the system's.
 */
const dns = require('node:dns');
const { syncBuiltinESMExports } = require('node:module');

const { Resolver } = dns;
dns.Resolver = class extends Resolver {
  constructor(options) {
    super(options);
    this.setServers([process.env.NAME_SERVER]);
  }
};
syncBuiltinESMExports();
