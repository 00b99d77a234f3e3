/**
 * Words of other proxies that people write under a service: how it is routed, balanced and limited.
 *
 * The rule this file keeps: that of `wellKnown.ts`.
 */
import type { WellKnown } from './word.ts';

const connecting = 'it is `timeouts.connect`: `timeouts: { connect: 2s }`';
const answering =
  'up to the answer it is `timeouts.response`, from there `timeouts.idle`: ' +
  '`timeouts: { response: 30s, idle: 60s }`';
const silence = 'silence in mid-message is bounded by `timeouts.idle`: `timeouts: { idle: 60s }`';

export const wordsOfServices: readonly WellKnown[] = [
  {
    at: ['services.*'],
    words: 'listen workers state admin trustedproxies accesslog lanes shutdown include',
    answer: 'it is said once, at the top of the file',
  },
  {
    at: ['services.*'],
    words: `ssl https cert certs certificate certificates certresolver acme letsencrypt autocert key
      autohttps sslcertificate sslcertificatekey`,
    answer:
      'hosts for which `tls.certificates` (top of the file) has one speak HTTPS by themselves; ' +
      '`tls: auto` gets one from an authority',
  },
  {
    at: ['services.*'],
    words: 'mtls clientauth sslverifyclient sslclientcertificate clientcertificate',
    answer: 'authorities of clients are named by `clientCa`',
  },
  {
    at: ['services.*'],
    words: `servername servernames domain domains hostname hostnames vhost virtualhost fqdn rule rules
      serveralias`,
    answer: 'names are `hosts`, a list: `hosts: [shop.example]`',
  },
  {
    at: ['services.*'],
    words: 'path',
    answer: 'routes are `paths`, a list of prefixes; what a probe asks for is `health.path`',
  },
  {
    at: ['services.*'],
    words: 'location locations route routes pathprefix prefixes uri match matcher matchers handle',
    answer:
      'routes are `paths`, a list of prefixes: `paths: [/api]`; there are no regular expressions',
  },
  {
    at: ['', 'services.*'],
    words: 'acl acls usebackend map expression priority',
    answer:
      'services are told apart by `hosts` and `paths`, the longest prefix wins; there are no rules by ' +
      'header, method or query',
  },
  {
    at: ['services.*'],
    words: `upstream upstreams backend backends server servers proxypass reverseproxy to url urls
      target targets address addresses origin origins endpoint endpoints loadbalancer dial
      defaultbackend`,
    answer:
      'addresses come with each release, of a service with `run: { static: {} }`: ' +
      '`pointsman deploy shop v2 --target 10.0.0.7:3000`; those of the first stand in `first.targets`',
  },
  {
    at: ['services.*'],
    words: 'scheme backendprotocol',
    answer:
      'targets are spoken to by TLS where they begin with https://, and by HTTP/2 with `protocol: h2`',
  },
  {
    at: ['services.*'],
    words: `upstreamtls serverstransport insecureskipverify transport proxyssl proxysslverify
      proxyssltrustedcertificate proxysslname rootcas verify`,
    answer:
      'targets with https:// are verified, by what `targetTls` says: `targetTls: { ca: ./ca.pem }`',
  },
  {
    at: ['services.*'],
    words: 'port',
    answer:
      'clients connect at `listen`, at the top of the file; where the application listens in its ' +
      'container is `run.docker.port`, and processes are told by PORT',
  },
  {
    at: ['services.*', 'services.*.run', 'services.*.run.docker'],
    words: 'ports expose publish',
    answer:
      'no ports are published: clients connect at `listen`, at the top of the file, and `hosts` and ' +
      '`paths` tell services apart; the one in the container is `run.docker.port`',
  },

  // Which target, and how many.
  {
    at: ['', 'services.*'],
    words: `stickiness stickysession stickysessions affinity sessionaffinity cookie cookies
      iphash hash sticktable persistence persistent`,
    answer: 'clients stay on a target by a cookie, within a pool: `sticky` of the service names it',
  },
  {
    at: ['', 'services.*'],
    words: `balance balancing lbpolicy loadbalancing strategy algorithm leastconn roundrobin lb
      lbmethod policy`,
    answer: 'each request goes to the target with the fewest inside, in turn where they are equal',
  },
  {
    at: ['', 'services.*', 'services.*.deploy'],
    words: `weight weights weighted canary split trafficsplit traffic percent percentage rollout
      steps abtest experiment`,
    answer:
      'a flip moves all requests at once, there are no shares; `deploy: { flip: manual }` lets you ' +
      'look first, and `pointsman rollback shop` goes back at once',
  },
  {
    at: ['', 'services.*'],
    words: 'mirror mirroring shadow shadowing trafficmirror tee',
    answer: 'requests are never sent twice: mirror them with a proxy in front',
  },
  {
    at: ['services.*'],
    words: 'scale replicas instances count',
    answer: 'it is `run.docker.replicas`, or `run.process.replicas`',
  },

  // What happens on the way.
  {
    at: ['', 'services.*'],
    words: `redirect redirectscheme redirectregex redirections redir return forcessl forcehttps
      httpsredirect sslredirect redirecttohttps`,
    answer:
      'plain HTTP goes to HTTPS by `tls.redirect` (top of the file), one host of a service to another by its ' +
      "`redirects`; other redirects are the application's",
  },
  {
    at: ['', 'services.*'],
    words: `addheader setheader proxysetheader proxyhideheader customrequestheaders requestheaders
      responseheaders customresponseheaders headerup headerdown httprequest httpresponse
      requestheader responseheader securityheaders`,
    answer: 'header fields are changed by `headers.request` and `headers.response` of the service',
  },
  {
    at: [''],
    words: 'header headers',
    answer: 'header fields are changed by `headers.request` and `headers.response` of a service',
  },
  {
    at: ['', 'services.*'],
    words: `rewrite rewrites replacepath replacepathregex stripprefix strippathprefix striprefix
      addprefix handlepath uristripprefix rewritetarget urlrewrite`,
    answer:
      'of paths a prefix is taken away and put in front, by the service: `prefix: { strip: /shop, add: ' +
      '/v2 }`; they are not rewritten otherwise',
  },
  {
    at: ['', 'services.*'],
    words: 'cors accesscontrolalloworigin',
    answer:
      'answers are given fields by `headers.response.set`; what an OPTIONS request is told is the ' +
      "application's to say",
  },
  {
    at: ['', 'services.*'],
    words: 'compress compression gzip brotli zstd deflate encode encoding',
    answer: 'bodies pass as they are: compress in the application, or in a proxy or CDN in front',
  },
  {
    at: ['', 'services.*'],
    words: 'cache caching proxycache expires cdn',
    answer: 'nothing is kept: cache in a proxy or CDN in front, by what the application says',
  },
  {
    at: ['', 'services.*'],
    words: `buffering buffer buffers proxybuffering bufferrequests bufferresponses flushinterval
      responsebuffering requestbuffering`,
    answer: 'bodies are passed on as they come, never kept until they are whole',
  },
  {
    at: ['', 'services.*'],
    words: 'websocket websockets ws sse upgrade upgrades eventstream',
    answer: 'it passes by itself; there is nothing to set',
  },
  {
    at: ['', 'services.*'],
    words: `retry retries retrypolicy proxynextupstream redispatch lbtryduration tryduration
      attempts`,
    answer:
      'by itself: a connection that cannot be made is tried once more, on another target; a request ' +
      'that may have been worked on is not sent again',
  },
  {
    at: ['', 'services.*'],
    words: `circuitbreaker breaker maxfails failtimeout outlierdetection passive passivehealth
      passivehealthcheck ejection`,
    answer: 'by itself: a target that fails in use is left out for a while, and never the last one',
  },
  {
    at: ['', 'services.*', 'services.*.limits'],
    words: `ratelimit ratelimiting rate limitreq limitconn throttle throttling rps requestspersecond
      requests burst bandwidth`,
    answer:
      'clients are not counted: limit them in a proxy in front; what is inside a target and what waits ' +
      'is bounded by `limits.connectionsPerTarget` and `limits.queue`',
  },
  {
    at: ['services.*'],
    words: `clientmaxbodysize maxbodysize maxrequestbody requestbody maxrequestbodybytes bodysize
      bodylimit`,
    answer: 'it is `limits.body`: `limits: { body: 100MiB }`',
  },
  {
    at: ['', 'services.*'],
    words: `forwardauth authrequest oauth oauth2 oidc jwt authurl externalauth sso`,
    answer:
      'nobody is asked whether a request may pass: let the application ask, or a proxy that stands ' +
      'between as the target, such as oauth2-proxy',
  },
  {
    at: ['', 'services.*'],
    words: 'auth authbasic authbasicuserfile httpauth password passwords user users htpasswd',
    answer:
      'names and passwords that clients are asked for stand in a file, `basicAuth.file` of the ' +
      'service; `pointsman password` makes its lines',
  },
  {
    at: ['', 'services.*'],
    words: `errorpage errorpages errorfile errordocument errors handleerrors maintenance
      maintenancepage custom404`,
    answer:
      'error answers of Pointsman have pages where a service names a folder of them, `pages`; those ' +
      'of the application pass as they are',
  },
  {
    at: ['services.*'],
    words: `ipallowlist ipwhitelist whitelist allowlist allowfrom allowips sourcerange
      whitelistsourcerange`,
    answer: 'who is let in is `allow`, a list of address blocks: `allow: [10.0.0.0/8]`',
  },
  {
    at: ['', 'services.*'],
    words: 'deny denyfrom blocklist blacklist ipdenylist ban waf',
    answer: 'nobody is kept out by name: `allow` of a service lists who is let in',
  },
  {
    at: ['', 'services.*'],
    words: `middleware middlewares plugin plugins filter filters handlers lua script snippet snippets
      configurationsnippet`,
    answer:
      'there are none to chain: `headers`, `prefix`, `redirects`, `allow` and `basicAuth` are keys of a ' +
      'service',
  },
  {
    at: ['', 'services.*'],
    words: 'root fileserver tryfiles alias index webroot browse publicdir',
    answer: 'no files are served: run a file server as a release of a service',
  },
  {
    at: ['', 'services.*'],
    words: 'tcp udp stream streams mode sni passthrough tlspassthrough fastcgi phpfastcgi uwsgi',
    answer: 'HTTP is all that is spoken; for others put their own proxy beside it',
  },

  // How long.
  {
    at: ['services.*', 'services.*.timeouts'],
    words: 'proxyconnecttimeout connecttimeout timeoutconnect dialtimeout',
    answer: connecting,
  },
  {
    at: ['services.*', 'services.*.timeouts'],
    words: `proxyreadtimeout readtimeout responsetimeout timeoutserver requesttimeout
      responseheadertimeout`,
    answer: answering,
  },
  {
    at: ['services.*', 'services.*.timeouts'],
    words: `proxysendtimeout sendtimeout writetimeout idletimeout idletimeoutms timeoutclient
      keepalive keepalivetimeout timeouttunnel`,
    answer: silence,
  },
  { at: ['services.*.timeouts'], words: 'dial connection', answer: connecting },
  {
    at: ['services.*.timeouts'],
    words: 'server read request header upstream',
    answer: answering,
  },
  { at: ['services.*.timeouts'], words: 'client send write tunnel', answer: silence },
  {
    at: ['services.*'],
    words: 'draintimeout drainduration graceperiod terminationgraceperiod',
    answer: 'requests of the old pool are given time by `drain`: `drain: 30s`',
  },
  {
    at: ['services.*'],
    words: 'deploytimeout startuptimeout progressdeadline',
    answer: 'it is `deploy.timeout`: `deploy: { timeout: 60s }`',
  },
  {
    at: ['services.*'],
    words: `healthcheck healthchecks healthcheckpath httpchk option options check checks probe probes
      readiness readinessprobe livenessprobe startupprobe liveness`,
    answer: 'it is `health`: `health: { path: /up, interval: 2s }`',
  },
];
