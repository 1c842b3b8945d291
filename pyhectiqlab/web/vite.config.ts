/// <reference types="vitest/config" />
import { defineConfig, type Plugin } from 'vite';

/**
 * Have index.html say that the scripts that src/start.ts loads are needed, too: otherwise they would be fetched a round trip
 * later.
 */
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

// The built pages are in the Python package. The lab serves /assets/* as they are, and index.html for every page.
export default defineConfig({
  plugins: [preloadMain],
  base: './', // scripts are found from <base>, which the lab sets to its own place
  build: {
    outDir: '../server/static',
    emptyOutDir: true,
    target: 'es2022',
    // Pictures stay files: the lab's content policy allows data: for images only, and inlining gains nothing.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200, // kB: that of plotly.js, which is loaded when a figure needs it
    rolldownOptions: { checks: { pluginTimings: false } }, // no warnings for a new user about a slow machine
  },
  server: {
    // `npm run dev` beside a lab on its default port.
    proxy: { '/api': 'http://127.0.0.1:8080', '/login-link': 'http://127.0.0.1:8080' },
  },
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
    isolate: false, // tests of plain functions: a process for each of the 59 files would take three times the processor time
    testTimeout: 60_000, // ms: on a busy machine a test of thousands of random numbers takes many seconds
  },
});
