/** The general lane does what every lane must do. */
import { createGeneralLane } from '../../../src/proxy/general/lane.ts';
import { laneSuite } from '../lane/suite.ts';

laneSuite('general', (plane) => {
  const { server } = createGeneralLane(plane);
  return (socket) => void server.emit('connection', socket);
});
