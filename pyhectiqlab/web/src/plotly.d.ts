// What is used of plotly.js, which ships no types.

declare module 'plotly.js-basic-dist-min' {
  const Plotly: {
    newPlot(root: HTMLElement, data: unknown[], layout: object, config: object): Promise<unknown>;
    purge(root: HTMLElement): void;
  };
  export default Plotly;
}
