/** Both lanes behind one handler do what every lane must do. */
import { connectionHandler } from '../../../src/proxy/express/lane.ts';
import { createGeneralLane } from '../../../src/proxy/general/lane.ts';
import { laneSuite } from '../lane/suite.ts';

laneSuite('express', (plane) => {
  const { server, deadlines } = createGeneralLane(plane);
  return connectionHandler(plane, server, deadlines);
});
