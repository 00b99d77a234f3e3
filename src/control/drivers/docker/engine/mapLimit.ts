/**
 * Does the same to many things, a few at a time.
 *
 * The rule this file keeps: an engine is never asked more than `atOnce` questions at a time by one
 * task, and the first failure is thrown only when nothing is under way any more.
 */
const atOnce = 6;

/**
 * @returns the outcomes in the order of `items`.
 * @throws the first failure, once all have ended.
 */
export async function mapLimit<Item, Outcome>(
  items: readonly Item[],
  work: (item: Item) => Promise<Outcome>,
): Promise<readonly Outcome[]> {
  const outcomes = new Map<number, Outcome>();
  const failures: unknown[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const at = next++;
      try {
        outcomes.set(at, await work(items[at] as Item));
      } catch (thrown) {
        failures.push(thrown);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  if (failures.length > 0) throw failures[0];
  return items.map((_item, at) => outcomes.get(at) as Outcome);
}
