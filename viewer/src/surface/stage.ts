// One WebGL context for all surfaces of the page; each gets a copy of its picture.

import {
  type Camera,
  ColorManagement,
  LinearSRGBColorSpace,
  type Scene,
  WebGLRenderer,
} from "three";

export interface Stage {
  // Draws at a size in pixels of its own and fills the whole of `into` with it.
  draw(
    scene: Scene,
    camera: Camera,
    size: [number, number],
    into: CanvasRenderingContext2D,
  ): void;
  onRestored(heard: () => void): void;
  // Whether a processor draws, without a graphics card.
  readonly software: boolean;
}

function drawnBySoftware(context: WebGL2RenderingContext): boolean {
  const named = context.getExtension("WEBGL_debug_renderer_info");
  const key = named?.UNMASKED_RENDERER_WEBGL ?? context.RENDERER;
  return /swiftshader|llvmpipe|software|basic render/i.test(
    String(context.getParameter(key)),
  );
}

// Frames would pile up faster than they are drawn: wait for each.
function finish(context: WebGL2RenderingContext) {
  const pixel = new Uint8Array(4);
  context.readPixels(0, 0, 1, 1, context.RGBA, context.UNSIGNED_BYTE, pixel);
}

function open(): Stage | null {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("webgl2", {
    alpha: true,
    antialias: false,
    stencil: false,
  });
  if (!context) return null;
  // Palettes and inks are meant as the screen shows them.
  ColorManagement.enabled = false;
  const renderer = new WebGLRenderer({ canvas, context, alpha: true });
  renderer.outputColorSpace = LinearSRGBColorSpace;
  renderer.setPixelRatio(1);
  renderer.setClearColor(0, 0);
  renderer.debug.checkShaderErrors = false;
  const software = drawnBySoftware(context);
  return {
    software,
    onRestored: (heard) => canvas.addEventListener("webglcontextrestored", heard),
    draw(scene, camera, [width, height], into) {
      if (canvas.width !== width || canvas.height !== height)
        renderer.setSize(width, height, false);
      renderer.render(scene, camera);
      if (software) finish(context);
      const { width: wide, height: tall } = into.canvas;
      into.drawImage(canvas, 0, 0, width, height, 0, 0, wide, tall);
    },
  };
}

let opened: Stage | null | undefined;

// Null where the browser draws no WebGL.
export function stage(): Stage | null {
  if (opened === undefined) {
    try {
      opened = open();
    } catch (failure) {
      console.warn("No WebGL, so no surface:", failure);
      opened = null;
    }
  }
  return opened;
}
