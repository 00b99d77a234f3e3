/** Properties: fast-check, with the seed of the run. Its only importer. */
import fc from 'fast-check';
import { seed } from './random.ts';

fc.configureGlobal({ seed });

export { fc };
