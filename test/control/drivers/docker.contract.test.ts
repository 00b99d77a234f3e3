/** The docker driver keeps the contract of all drivers, on a real engine. */

import { driverContract } from '../../contracts/driver.ts';
import { answerOf, workbench } from '../../support/engine/bench.ts';
import { dockerRelease } from '../../support/engine/releases.ts';
import { describeWithEngine } from '../../support/engine.ts';

describeWithEngine('the docker driver', (engine) => {
  const bench = workbench(engine);

  driverContract('the docker driver', { runs: true }, async () => {
    await engine().image('shop:v1', { VERSION: 'v1' });
    await engine().image('shop:fails', { MODE: 'exits' });
    const { driver, stateDir } = await bench.open();
    return {
      driver,
      release: (name) => dockerRelease(name, { image: 'shop:v1', replicas: 2 }),
      foreign: { name: 'v1', run: { kind: 'static', targets: [] } },
      runs: {
        failing: dockerRelease('v1', { image: 'shop:fails' }),
        says: 'no database at db:5432',
        kill: async (target) => {
          await engine().docker('kill', target.id);
        },
        answers: (target) =>
          answerOf(target).then(
            (answer) => answer !== null,
            () => false,
          ),
      },
      reopen: async () => {
        driver.close();
        return (await bench.open({ stateDir })).driver;
      },
      close: () => bench.clear(),
    };
  });
});
