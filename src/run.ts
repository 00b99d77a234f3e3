/**
 * `pointsman run`: one process or many, as the config says.
 *
 * The rule this file keeps: what the config or the port refuses is refused here, before anything
 * starts.
 */
import { loadConfig } from './config/load.ts';

/**
 * @returns the exit code, when all has ended.
 * @throws Fault CONFIG_INVALID, CONFIG_UNREADABLE, PORT_IN_USE
 */
export async function run(configFile: string): Promise<number> {
  const config = await loadConfig(configFile);
  if (config.workers === 0) {
    const { runAlone } = await import('./alone.ts');
    return runAlone(config, configFile);
  }
  const { supervise } = await import('./supervisor.ts');
  return supervise({
    entry: process.argv[1] ?? '',
    configFile,
    listen: config.listen,
    tlsListen: config.tls?.listen ?? [],
    admin: config.admin.listen,
    workers: config.workers,
    shutdownMs: config.shutdownMs,
  });
}
