/// <reference types="vitest/config" />
import { defineConfig, type Plugin } from 'vite';

/** index.html says that what src/start.ts loads afterwards is wanted, too: else it would be fetched a round trip later. */
const preloadMain: Plugin = {
  name: 'preload-main',
  transformIndexHtml: {
    order: 'post',
    handler(html, { bundle }) {
      const chunks = Object.values(bundle ?? {}).filter((its) => its.type === 'chunk');
      const main = chunks.find((chunk) => chunk.facadeModuleId?.endsWith('/src/main.tsx'));
      const files = new Set<string>();
      const visit = (file: string): void => {
        if (files.has(file)) return;
        files.add(file);
        chunks.find((chunk) => chunk.fileName === file)?.imports.forEach(visit);
      };
      if (main) visit(main.fileName);
      const missing = [...files].filter((file) => !html.includes(file));
      return missing.map((file) => ({ tag: 'link', attrs: { rel: 'modulepreload', crossorigin: true, href: `./${file}` }, injectTo: 'head' }));
    },
  },
};

// The built pages lie in the Python package; the lab serves /assets/* as they are and index.html for every page.
export default defineConfig({
  plugins: [preloadMain],
  base: './', // what is loaded is found from <base>, which the lab sets to where it is
  build: {
    outDir: '../server/static',
    emptyOutDir: true,
    target: 'es2022',
    // Pictures stay files: the lab's content policy allows data: for images only, and nothing is gained by inlining.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200, // kB: plotly.js, which is loaded when a figure needs it
    rolldownOptions: { checks: { pluginTimings: false } }, // a slow machine is nothing to warn a new user of
  },
  server: {
    // `npm run dev` beside a lab on its default port.
    proxy: { '/api': 'http://127.0.0.1:8080', '/login-link': 'http://127.0.0.1:8080' },
  },
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
    isolate: false, // tests of plain functions: a process each for 59 files takes three times the processor
    testTimeout: 60_000, // ms: on a busy machine a test of thousands of random numbers takes many seconds
  },
});
