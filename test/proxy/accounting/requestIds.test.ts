/** Ids of requests: as many as one likes, and each of them once. */
import { expect, test } from 'vitest';
import { requestId } from '../../../src/proxy/accounting/requestIds.ts';

test('ids look like UUIDs, and none is given twice', () => {
  const ids = Array.from({ length: 20_000 }, requestId);

  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});
