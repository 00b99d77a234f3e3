/**
 * Builds the page (src/dashboard) into dist/dashboard, which the admin server serves, and beside it
 * the runbook that alerts link to.
 *
 * The rule this file keeps: what it makes runs under a strict Content-Security-Policy, so nothing is
 * inlined, no polyfill is injected, and every file but the documents carries a hash in its name.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Marked } from 'marked';
import { defineConfig, type Plugin } from 'vite';

export default defineConfig({
  root: 'src/dashboard',
  base: './',
  publicDir: false,
  logLevel: 'warn',
  plugins: [runbook()],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../../dist/dashboard',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    reportCompressedSize: false,
  },
});

/** What to do at 3 a.m., as a document of its own that needs neither a token nor JavaScript. */
function runbook(): Plugin {
  const file = fileURLToPath(new URL('docs/operations.md', import.meta.url));
  return {
    name: 'runbook',
    generateBundle(_options, bundle) {
      // What comes after it is about the page that this stands beside.
      const [markdown = ''] = readFileSync(file, 'utf8').split('\n## The page');
      const css = Object.keys(bundle).find((name) => name.endsWith('.css')) ?? '';
      this.emitFile({ type: 'asset', fileName: 'runbook.html', source: documentOf(markdown, css) });
    },
  };
}

function documentOf(markdown: string, css: string): string {
  const marked = new Marked();
  marked.use({
    renderer: {
      heading({ tokens, depth, text }) {
        const id = text.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
        return `<h${depth} id="${id}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      // The other documents are not served here.
      link({ href, tokens }) {
        const inner = this.parser.parseInline(tokens);
        return /^(https?:|#)/.test(href) ? `<a href="${href}">${inner}</a>` : inner;
      },
    },
  });
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>Runbook - Pointsman</title>
    <link rel="stylesheet" href="./${css}" />
  </head>
  <body>
    <header><a class="home" href="./">Pointsman</a></header>
    <main class="document">
${marked.parse(markdown, { async: false })}
    </main>
  </body>
</html>
`;
}
