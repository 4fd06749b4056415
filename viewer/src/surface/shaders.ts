// The land's shader, for each of its three parts. Colours stay as the screen shows them: no linear light.

export enum Part {
  Surface,
  Wall,
  Ceiling,
}

const PARTS = `
const int WALL = ${Part.Wall};
const int CEILING = ${Part.Ceiling};`;

export const VERTEX = `
${PARTS}
uniform int part;
uniform float ceilingHeight;
in vec2 look;
out vec2 vLook;
out vec3 vNormal;
out vec2 vSpot;

void main() {
  vec3 spot = position;
  if (part == CEILING) spot.y = ceilingHeight;
  vLook = look;
  vNormal = normal;
  vSpot = position.xz;
  gl_Position = projectionMatrix * modelViewMatrix * vec4(spot, 1.0);
}`;

export const FRAGMENT = `
${PARTS}
precision highp float;
uniform sampler2D palette;
uniform float levels[32];
uniform int bold;
uniform vec3 plate, ink, sun;
uniform float width, dark, relief;
uniform int part;
in vec2 vLook;
in vec3 vNormal;
in vec2 vSpot;
out vec4 colour;

// How much of the pixel the nearest isoline covers.
float isoline(float share, float rate) {
  int below = 0;
  for (int jump = 16; jump > 0; jump >>= 1)
    if (below + jump < 32 && levels[below + jump] <= share) below += jump;
  float under = share - levels[below], over = levels[min(below + 1, 31)] - share;
  int nearest = under < over ? below : below + 1;
  bool strong = ((bold >> nearest) & 1) == 1;
  float half_width = width * (strong ? 0.58 : 0.34);
  float apart = (under + over) / rate;
  float line = clamp(half_width + 0.5 - min(under, over) / rate, 0.0, 1.0);
  return line * (strong ? 1.0 : 0.62) * smoothstep(1.5 * width, 4.5 * width, apart);
}

vec3 lit(vec3 base, float light) {
  vec3 shade = mix(vec3(0.1, 0.1, 0.17), vec3(0.11, 0.12, 0.16), dark);
  vec3 shine = mix(vec3(1.0, 0.985, 0.94), vec3(0.93, 0.95, 0.97), dark);
  return light < 0.0 ? mix(base, base * shade * 3.0, -light) : mix(base, shine, light);
}

vec3 face(float share, float line, vec3 normal) {
  vec3 paper = mix(plate, mix(vec3(0.42, 0.36, 0.26), ink, dark), mix(0.14, 0.08, dark));
  paper *= 1.0 + mix(0.22, 0.3, dark) * dot(normal, sun);
  paper *= mix(0.9, 1.0, smoothstep(-0.16, 0.25, share));
  return mix(paper, ink, 0.2 * line);
}

vec3 ceiling(vec3 base, float line) {
  float along = (vSpot.x + vSpot.y) * 34.0;
  float far = abs(fract(along) - 0.5) / max(fwidth(along), 1e-6);
  float stroke = clamp(0.42 * width + 0.5 - far, 0.0, 1.0);
  vec3 paper = mix(base, plate, 0.8);
  return mix(paper, mix(base, ink, 0.6), max(0.3 * stroke, 0.7 * line));
}

void main() {
  float share = vLook.x;
  float line = isoline(share, max(fwidth(share), 1e-6));
  if ((share > 1.0) != (part == CEILING)) discard;
  vec3 normal = normalize(vNormal);
  if (part == WALL) {
    colour = vec4(face(share, line, normal), 1.0);
    return;
  }
  float place = (clamp(share, 0.0, 1.0) * 255.0 + 0.5) / 256.0;
  vec3 base = texture(palette, vec2(place, 0.5)).rgb;
  if (part == CEILING) {
    colour = vec4(ceiling(base, line), 1.0);
    return;
  }
  base = mix(base, plate, mix(0.06, 0.0, dark));
  float slant = dot(normal, sun) - sun.y;
  float light = slant * (slant < 0.0 ? 0.66 : 0.55) - 0.5 * (1.0 - vLook.y);
  vec3 land = lit(base, relief * clamp(light, -0.85, 0.6));
  float bright = smoothstep(0.28, 0.5, dot(base, vec3(0.2126, 0.7152, 0.0722)));
  vec3 drawn = mix(mix(land, vec3(1.0), 0.42), land * 0.5, bright);
  colour = vec4(mix(land, drawn, line), 1.0);
}`;
