/**
 * Tests that repeat a story have a short form, and a long one for `.ci/run`: `npm test` is to end
 * while one waits.
 */
export const long = Boolean(process.env.CI);
