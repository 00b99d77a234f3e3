/**
 * A real Chromium for the tests of the page, and the watch kept over every page in it.
 *
 * The rule this file keeps: where no browser can be had, a test is skipped by name with the reason,
 * never silently; with CI set, it fails. Every page is watched: an error on the console, an
 * uncaught exception or a request to another host fails the test that owns it.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import {
  type Browser,
  type BrowserContext,
  chromium,
  type Locator,
  type Page,
} from 'playwright-core';
import { afterAll, expect, test } from 'vitest';
import { chromiumPath, whyNoBrowser } from './chromium.ts';

const axePath = createRequire(import.meta.url).resolve('axe-core');

let browser: Promise<Browser> | undefined;

/** One browser for a test file, begun when it is first needed. */
export function theBrowser(): Promise<Browser> {
  browser ??= launchBrowser([]);
  return browser;
}

/** A browser with arguments of its own; whoever asks for it closes it. */
export async function launchBrowser(args: readonly string[]): Promise<Browser> {
  if (chromiumPath === undefined) {
    throw new Error('no Chromium: apt-get install chromium, or set CHROMIUM to its path');
  }
  return chromium.launch({
    executablePath: chromiumPath,
    args: [
      ...args,
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

afterAll(async () => {
  await (await browser)?.close();
});

export interface Watched {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Everything that went wrong and was not foreseen, in words. */
  readonly wrongs: readonly string[];
  /**
   * What the browser itself prints of a refused or lost call, such as `409` or `ERR_CONNECTION`.
   */
  foresee(text: string): void;
  /** Closes it and says that nothing went wrong. */
  done(): Promise<void>;
}

export interface Looks {
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
  /** Another tab of the same person: shares its cookies. */
  readonly context?: BrowserContext;
}

/** Opens a page in a profile of its own. */
export async function openPage(url: string, looks: Looks = {}): Promise<Watched> {
  const { width = 1280, height = 900, dark = false } = looks;
  const context =
    looks.context ??
    (await (
      await theBrowser()
    ).newContext({
      viewport: { width, height },
      colorScheme: dark ? 'dark' : 'light',
      reducedMotion: 'reduce',
    }));
  const page = await context.newPage();
  const wrongs: string[] = [];
  const foreseen: string[] = [];
  const wrong = (text: string): void => {
    if (!foreseen.some((part) => text.includes(part))) wrongs.push(text);
  };
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) wrong(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => wrong(`uncaught: ${error.stack ?? error.message}`));
  page.on('request', (request) => {
    if (new URL(request.url()).host !== new URL(url).host) wrong(`elsewhere: ${request.url()}`);
  });
  await page.goto(url);
  return {
    page,
    context,
    wrongs,
    foresee: (text) => foreseen.push(text),
    async done() {
      await page.close();
      if (!looks.context) await context.close();
      expect(wrongs).toEqual([]);
    },
  };
}

/** As a person reads it: line breaks and gaps where the layout has them. */
export async function textOf(found: Locator): Promise<string> {
  return (await found.allInnerTexts()).join('\n');
}

/**
 * What axe finds on a page as it stands is not serious.
 *
 * Evaluated over the debugging protocol, so that the page's own policy stays as strict as it is.
 */
export async function expectAccessible({ page }: Watched): Promise<void> {
  await page.evaluate(await readFile(axePath, 'utf8'));
  const found = (await page.evaluate('axe.run()')) as {
    violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[];
  };
  const serious = found.violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  expect(
    serious.map(({ id, nodes }) => [id, nodes.map((n) => `${n.html} ${n.failureSummary}`)]),
  ).toEqual([]);
}

/** A test that needs the browser. */
export function browserTest(name: string, run: () => Promise<void>, timeoutMs?: number): void {
  const why = whyNoBrowser();
  if (why === null || process.env.CI) test(name, run, timeoutMs);
  else test.skip(`${name} (skipped: ${why})`, run);
}
