/**
 * Words of other proxies and of compose files that people write at the top of a file, under `tls`
 * and under `admin`.
 *
 * The rule this file keeps: that of `wellKnown.ts`.
 */
import type { WellKnown } from './word.ts';

export const wordsOfTheFile: readonly WellKnown[] = [
  {
    at: [''],
    words: `port ports bind address addr entrypoint entrypoints frontend frontends httpport
      listeners listener listens`,
    answer: 'clients connect at `listen`, one address or a list; by HTTPS at `tls.listen`',
  },
  {
    at: [''],
    words: `server upstream upstreams backend backends target targets routers router http site sites
      app apps vhost virtualhosts reverseproxy proxypass location route routes cluster clusters`,
    answer:
      'what clients reach is one of `services`, by its `hosts` and `paths`; addresses come with each ' +
      'release: `pointsman deploy shop v2 --target 10.0.0.7:3000`',
  },
  {
    at: [''],
    words: `ssl https certresolver certresolvers certificatesresolvers letsencrypt autocert autohttps
      cert certs sslcertificate sslcertificatekey crt certificate`,
    answer: 'HTTPS is `tls`: `tls.certificates` for files, `tls.acme` for an authority',
  },
  {
    at: ['', 'services.*', 'tls'],
    words: 'ondemand ondemandtls',
    answer:
      'no certificate is asked for at a handshake: hosts that are to have one are written down',
  },
  {
    at: ['', 'services.*', 'tls'],
    words: 'http3 h2 h2c quic alpn grpc protocols',
    answer:
      'HTTP/2 is spoken to clients where `tls.http2` says so, and to the targets of a service with ' +
      '`protocol: h2`, as gRPC wants it; for HTTP/3 put a proxy in front (`trustedProxies`)',
  },
  {
    at: ['', 'services.*'],
    words: 'http2',
    answer: 'HTTP/2 is spoken to clients where `tls.http2` says so',
  },
  {
    at: [''],
    words: 'log logs logging logformat loglevel errorlog level debug verbose logger customlog',
    answer:
      'requests are logged by `accessLog`; the log of Pointsman itself goes to standard output, and ' +
      'has no levels to set',
  },
  {
    at: [''],
    words: `metrics prometheus dashboard api ping stats statistics monitoring web ui healthz
      readyz statsd tracing opentelemetry otel`,
    answer:
      'page, API, /metrics, /healthz and /readyz are where `admin.listen` says; nothing is pushed',
  },
  {
    at: [''],
    words: 'global defaults default common shared template templates',
    answer:
      'there are no defaults for all services; a value is repeated by an alias: `health: &web` at the ' +
      'first, `health: *web` at the next',
  },
  {
    at: [''],
    words: 'threads nbthread nbproc processes workerprocesses concurrency',
    answer: '`workers` says how many processes carry traffic',
  },
  {
    at: ['', 'services.*'],
    words: `maxconn maxconns maxconnections workerconnections maxrequests maxconcurrent maxinflight
      inflightreq`,
    answer:
      'of each service `limits.connectionsPerTarget` bounds what is inside a target, and ' +
      '`limits.queue` what waits',
  },
  {
    at: [''],
    words: 'group daemon pid pidfile chroot uid gid username',
    answer:
      'Pointsman stays in the foreground, as the user who starts it; a service manager says who that is',
  },
  { at: [''], words: 'version apiversion kind', answer: 'a file says no version; leave it away' },
  {
    at: [''],
    words: 'volumes networks secrets configs',
    answer:
      'this is of a compose file; containers of a service are told by its `run.docker`: ' +
      '`run.docker.volumes`, `run.docker.network`, `run.docker.envFile`',
  },
  {
    at: [''],
    words: 'env environment envfile',
    answer:
      'what a service is given stands there, as `run.docker.env` or `run.process.env`; values of this ' +
      'file are filled in from the environment of Pointsman',
  },
  {
    at: [''],
    words: 'import imports includes confd configdir files providers provider file',
    answer: 'a folder of files with more `services` is named by `include`',
  },
  {
    at: [''],
    words: `trustedips forwardedheaders setrealipfrom realip realipheader forwardfor clientipheader
      trustproxy`,
    answer: 'proxies whose X-Forwarded-* fields are believed are listed in `trustedProxies`',
  },
  {
    at: [''],
    words: 'acceptproxy sendproxy sendproxyv2',
    answer:
      'proxies that send a PROXY header are listed in the `proxyProtocol` of the file; targets get none',
  },
  {
    at: ['services.*'],
    words: 'proxyprotocol acceptproxy sendproxy sendproxyv2',
    answer:
      'proxies that send a PROXY header are listed in the `proxyProtocol` of the file; targets get none',
  },
  {
    at: [''],
    words: 'timeout gracefultimeout graceperiod shutdowntimeout gracefulshutdown hardstopafter',
    answer:
      'requests are given time by `timeouts` of each service; a stop of Pointsman waits as `shutdown` says',
  },
  {
    at: [''],
    words: 'database db storage store datadir data statedir etcd redis',
    answer: 'what is live is remembered in a directory, `state`',
  },
  {
    at: [''],
    words: 'token tokenfile apikey admintoken',
    answer: 'who may call the admin API is said by a file, `admin.tokenFile`',
  },

  // Of HTTPS.
  {
    at: ['tls'],
    words: `cert key crt pem certificate certfile keyfile privatekey sslcertificate
      sslcertificatekey chain stores defaultcertificate`,
    answer:
      'files of certificates are a list: `tls: { certificates: [{ cert: a.pem, key: a.key }] }`, or a ' +
      'folder of them',
  },
  {
    at: ['tls'],
    words: 'port ports bind address',
    answer: 'HTTPS is listened for at `tls.listen`: `tls: { listen: ":443" }`',
  },
  {
    at: ['tls'],
    words: 'domain domains hosts names sni servername',
    answer: 'names come from the certificates, and with `tls: auto` from the `hosts` of a service',
  },
  {
    at: ['tls'],
    words: 'auto letsencrypt resolver certresolver issuer issuers ca provider automation email',
    answer:
      'an authority is named in `tls.acme`, and services say `tls: auto`; its address for mail is ' +
      '`tls.acme.email`',
  },
  {
    at: ['tls'],
    words: 'dns dnschallenge dnsprovider wildcard',
    answer:
      'names are not proved by DNS: `tls.acme.challenges` are http-01 and tls-alpn-01; a wildcard is ' +
      'had by another client, and its files named in `tls.certificates`',
  },
  {
    at: ['tls'],
    words: 'minversion version versions sslprotocols sslminver options',
    answer: 'the oldest version that is spoken is `tls.minimum`',
  },
  {
    at: ['tls'],
    words: 'ciphers ciphersuites curves curvepreferences prefserverciphers dhparam sslciphers',
    answer:
      'ciphers and curves are those of Node and OpenSSL; `tls.minimum: "1.3"` leaves out the old',
  },
  {
    at: ['tls'],
    words: 'mtls clientauth clientca clientcas verify verifyclient cafile',
    answer: 'authorities of clients are named by each service, as `clientCa`',
  },
  {
    at: ['tls'],
    words: 'hsts stricttransportsecurity',
    answer: 'each service says it, as `hsts`',
  },

  // Of the admin port.
  {
    at: ['admin'],
    words: 'port address bind addr',
    answer: 'it is `admin.listen`: `admin: { listen: "127.0.0.1:9400" }`',
  },
  {
    at: ['admin'],
    words: 'token apikey password secret auth basicauth user users username bearer',
    answer:
      'who may call is said by a file with a token, `admin.tokenFile`; for those who only look, ' +
      '`admin.readTokenFile`',
  },
  {
    at: ['admin'],
    words: 'path prefix basepath rootpath',
    answer: 'it answers at / of an address of its own, `admin.listen`',
  },
  {
    at: ['admin'],
    words: 'enabled enable disable off disabled',
    answer: 'it is always there; `admin.listen` says where',
  },
  {
    at: ['admin'],
    words: 'cors origins origin allowedorigins',
    answer: 'other sites may not call it; names it is called by are listed in `admin.hosts`',
  },
];
