/**
 * Words of compose files and of other tools that run releases, which people write under a service.
 *
 * The rule this file keeps: that of `wellKnown.ts`.
 */
import type { WellKnown } from './word.ts';

const containersOfOthers =
  'containers have no such option here; start them yourself, and they are found: ' +
  '`run: { docker: { discover: true } }`';

export const wordsOfRuns: readonly WellKnown[] = [
  {
    at: ['services.*', 'services.*.run', 'services.*.run.docker'],
    words: 'image tag',
    answer:
      'an image comes with each release: `pointsman deploy shop v2 --image shop:v2`; the first is ' +
      '`first.image`, of a service with `run: { docker: { port: 3000 } }`',
  },
  {
    at: ['services.*', 'services.*.run', 'services.*.run.docker'],
    words: 'build dockerfile',
    answer:
      'images are built before: `pointsman deploy shop v2 --image shop:v2` runs one that is there',
  },
  {
    at: ['services.*', 'services.*.run'],
    words: 'environment env envfile',
    answer:
      'it is `run.docker.env` or `run.process.env`, a map; a file for containers is `run.docker.envFile`',
  },
  {
    at: ['services.*.run.docker', 'services.*.run.process'],
    words: 'environment',
    answer: 'it is `env`, a map: `env: { NODE_ENV: production }`',
  },
  {
    at: ['services.*.run.process'],
    words: 'envfile',
    answer: 'processes have the environment of Pointsman, and `run.process.env` beside it',
  },
  {
    at: ['services.*', 'services.*.run', 'services.*.run.docker', 'services.*.run.process'],
    words: 'dependson links',
    answer:
      'a release gets requests once its targets are healthy; what it depends on itself is started by ' +
      'whoever runs that',
  },
  {
    at: ['services.*', 'services.*.run', 'services.*.run.docker', 'services.*.run.process'],
    words: 'restart restartpolicy autorestart restartalways',
    answer: 'by itself: what ends is started again, and after each time a little later',
  },
  {
    at: ['services.*', 'services.*.run', 'services.*.run.docker'],
    words: 'containername name',
    answer: 'containers of two pools run side by side, so their names are given by Pointsman',
  },
  {
    at: ['services.*', 'services.*.run'],
    words:
      'networks memlimit memory cpus command entrypoint cmd labels volumes init capdrop readonly',
    answer:
      'how an image is run stands under `run.docker`: `run.docker.memory`, `run.docker.volumes`, ' +
      '`run.docker.network`, and more',
  },
  {
    at: ['services.*.run.docker'],
    words: 'memlimit memorylimit memoryreservation',
    answer: 'it is `run.docker.memory`',
  },
  {
    at: ['services.*.run.docker'],
    words: 'stopgraceperiod stoptime timeout gracefulshutdown killtimeout',
    answer: 'from the signal to stop to SIGKILL it is `run.docker.stopTimeout`',
  },
  {
    at: ['services.*.run.docker'],
    words: 'pullpolicy imagepullpolicy',
    answer: 'it is `run.docker.pull`: `pull: missing`',
  },
  {
    at: ['services.*.run.docker'],
    words: 'entrypoint args cmd',
    answer: 'the arguments are `run.docker.command`; the entry point is that of the image',
  },
  {
    at: ['services.*.run.docker'],
    words: 'healthcheck health',
    answer: 'probes are `health` of the service; a HEALTHCHECK of the image counts beside them',
  },
  {
    at: ['services.*.run.docker'],
    words: 'scale deploy resources',
    answer: 'it is `run.docker.replicas`, `run.docker.memory` and `run.docker.cpus`',
  },
  {
    at: ['services.*.run.docker'],
    words: 'mounts mount binds bind volume',
    answer: 'it is `run.docker.volumes`, a list: `volumes: ["data:/var/lib/app"]`',
  },
  {
    at: ['services.*', 'services.*.run', 'services.*.run.docker'],
    words: `privileged devices device capadd sysctls ulimits extrahosts dns securityopt shmsize
      tmpfs secrets configs networkmode pidmode ipc platform runtime gpus logdriver
      logopt logging isolation cpuset gpu`,
    answer: containersOfOthers,
  },
  {
    at: ['services.*.run.docker'],
    words: 'host socket dockerhost endpoint daemon tlsverify',
    answer: 'which engine it is, the environment says: DOCKER_HOST, as for the docker command',
  },
  {
    at: ['services.*.run.docker'],
    words: 'registry auth username password credentials login imagepullsecrets',
    answer: 'who we are to a registry is what docker login wrote down',
  },
  {
    at: ['services.*.run'],
    words: 'container containers compose dockercompose podman kubernetes k8s type driver engine',
    answer: 'releases are images with `run: { docker: { port: 3000 } }`',
  },
  {
    at: ['services.*.run'],
    words: 'exec shell systemd script node binary',
    answer:
      'releases are runs of a command with `run: { process: { command: [node, server.js] } }`',
  },
  {
    at: ['services.*.run', 'services.*.run.static'],
    words: `targets target servers server upstreams upstream backends address addresses url urls
      hosts host external`,
    answer:
      'addresses come with each release: `run: { static: {} }`, then ' +
      '`pointsman deploy shop v2 --target 10.0.0.7:3000`; those of the first stand in `first.targets`',
  },
  {
    at: ['services.*.run.process'],
    words: 'cmd exec args arguments script program entrypoint start',
    answer: 'program and arguments are `run.process.command`: `command: [node, server.js]`',
  },
  {
    at: ['services.*.run.process'],
    words: 'port ports listen address',
    answer: 'each replica is told by PORT in its environment where to listen',
  },
  {
    at: ['services.*.run.process'],
    words: 'workdir workingdir workingdirectory dir directory',
    answer: 'it is `run.process.cwd`',
  },
  {
    at: ['services.*.run.process'],
    words: 'user group uid gid runas memory cpus nice limits',
    answer: 'processes run as Pointsman does; let the command change it, or run containers',
  },
  {
    at: ['services.*.run.process'],
    words: 'image',
    answer: 'images are run by `run: { docker: { port: 3000 } }`',
  },
  {
    at: ['services.*.run.process'],
    words: 'killtimeout stopgraceperiod timeout gracefulshutdown',
    answer: 'from SIGTERM to SIGKILL it is `run.process.stopTimeout`',
  },
  {
    at: ['services.*.deploy'],
    words: 'replicas resources mode placement endpointmode',
    answer: 'it is `run.docker.replicas`, `run.docker.memory` and `run.docker.cpus`',
  },
  {
    at: ['services.*.deploy'],
    words: 'updateconfig rollbackconfig order parallelism strategy type maxsurge maxunavailable',
    answer:
      'a release is started beside the old one, and flipped to at once; `deploy.flip` says whether by itself',
  },
  {
    at: ['services.*.deploy'],
    words: 'restartpolicy restart',
    answer: 'by itself: what ends is started again, and after each time a little later',
  },
  {
    at: ['services.*.deploy'],
    words: 'auto manual approval autopromotion autopromotionenabled confirm promote',
    answer: 'it is `deploy.flip`: `flip: manual`',
  },
  {
    at: ['services.*.first'],
    words: 'version name tag id',
    answer: 'its name is `first.release`: `first: { release: v1, targets: ["10.0.0.5:3000"] }`',
  },
  {
    at: ['services.*.first'],
    words:
      'address addresses server servers url urls upstream upstreams backend backends host hosts port',
    answer:
      'its addresses are `first.targets`: `first: { release: v1, targets: ["10.0.0.5:3000"] }`',
  },
  {
    at: ['services.*.limits'],
    words: `maxconn maxconns maxconnections connections concurrency inflight maxrequests perserver
      connectionlimit`,
    answer: 'it is `limits.connectionsPerTarget`: `limits: { connectionsPerTarget: 256 }`',
  },
  {
    at: ['services.*.limits'],
    words: 'memory cpu cpus memlimit',
    answer: 'it is `run.docker.memory` and `run.docker.cpus`',
  },
  {
    at: ['services.*.limits'],
    words: 'requestbody bodysize clientmaxbodysize maxbody maxbodysize upload',
    answer: 'it is `limits.body`: `limits: { body: 100MiB }`',
  },
  {
    at: ['services.*.limits'],
    words: 'timeout timeouts',
    answer: 'it is `timeouts` of the service',
  },
];
