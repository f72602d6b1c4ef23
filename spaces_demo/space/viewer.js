// Runs when the viewer is on the page. Gradio gives `element`, `props` and `watch`, and the value is the JSON of
// `viewer_scene` or `viewer_mask`. NiiVue is fetched from this server with the first result.
(async () => {
  const part = (role) => element.querySelector(`[data-role=${role}]`);
  const canvas = element.querySelector("canvas");
  const message = element.querySelector(".viewer-message");
  const state = { viewer: null, scene: null, slice: null };
  const tumourColours = { R: [0, 255, 255, 255], G: [0, 204, 98, 90], B: [0, 0, 209, 54], A: [0, 255, 255, 255], I: [0, 1, 2, 3] };

  const fetchLibrary = () => window.niivue ? Promise.resolve() : new Promise((resolve, reject) => {
    const config = window.gradio_config ?? {};
    const script = document.createElement("script");
    script.src = `${config.root ?? ""}${config.api_prefix ?? "/gradio_api"}/file=NIIVUE_FILE`;
    script.onload = resolve;
    script.onerror = () => reject(new Error("the viewer could not be fetched"));
    document.head.append(script);
  });

  const open = async () => {
    await fetchLibrary();
    const viewer = new window.niivue.Niivue({
      backColor: [0, 0, 0, 1], clipPlaneColor: [0, 0, 0, 0], crosshairColor: [0.45, 0.75, 1, 0.7], crosshairWidth: 1, dragAndDropEnabled: false,
      fontColor: [0.92, 0.94, 0.96, 1], isRadiologicalConvention: true, isResizeCanvas: true, loadingText: "", logLevel: "error",
      multiplanarShowRender: 1, show3Dcrosshair: false, showAllOrientationMarkers: true, tileMargin: 4, scrollRequiresFocus: true,
    });
    await viewer.attachToCanvas(canvas);
    viewer.addColormap("tumour", tumourColours);
    canvas.niivue = viewer; // for tests and the curious
    viewer.onLocationChange = (place) => followCrosshair(place.mm[2]);
    return viewer;
  };

  const image = (name, base64, more) =>
    window.niivue.NVImage.loadFromBase64({ name: `${name}.nii.gz`, base64, cal_min: 0, cal_max: 255, colorbarVisible: false, ...more });
  const index = (name) => state.viewer.volumes.findIndex((volume) => volume.name.startsWith(name));
  const fade = (name, value) => { const at = index(name); if (at >= 0) state.viewer.setOpacity(at, Number(value)); };

  const addTumour = async () => {
    const tumour = await image("tumour", state.scene.tumour, { opacity: Number(part("tumour").value), cal_max: 3 });
    tumour.setColormapLabel(tumourColours);
    state.viewer.addVolume(tumour);
  };

  // The base image comes first, so that a change of it means loading all anew.
  const showAll = async () => {
    const { volumes } = state.scene;
    while (state.viewer.volumes.length) state.viewer.removeVolume(state.viewer.volumes[0]);
    state.viewer.addVolume(await image("base", volumes[part("base").value], { colormap: "gray" }));
    if (volumes.residual) {
      state.viewer.addVolume(await image("residual", volumes.residual, { colormap: "inferno", opacity: Number(part("residual").value), cal_min: 70 }));
    }
    await addTumour();
    state.viewer.setSliceType(Number(part("view").value));
  };

  const load = async () => {
    if (!props.value) return;
    const scene = JSON.parse(props.value);
    if (!scene.volumes && !state.scene) return;
    if (scene.volumes) message.textContent = "Loading the 3D view ...";
    state.viewer ??= await open();
    if (scene.volumes) {
      state.scene = scene;
      part("base").replaceChildren(...Object.entries(scene.titles).map(([name, title]) => new Option(title, name)));
      element.querySelector(".residual-control").hidden = !scene.volumes.residual;
      await showAll();
      state.viewer.setRenderAzimuthElevation(120, 15);
      state.slice = scene.start;
      state.viewer.scene.crosshairPos = state.viewer.mm2frac(scene.focus);
      state.viewer.drawScene();
    } else {
      state.scene.tumour = scene.tumour;
      state.viewer.removeVolume(state.viewer.volumes[index("tumour")]);
      await addTumour();
    }
    message.textContent = "";
    element.querySelector(".viewer-controls").hidden = false;
    canvas.dataset.volumes = state.viewer.volumes.length;
  };

  // The slice slider and the crosshair follow one another; `state.slice` is where both are, so that neither echoes.
  const toSlice = (number) => {
    const height = state.scene?.heights[number];
    if (height === undefined || !state.viewer?.volumes.length) return;
    state.slice = Number(number);
    const { viewer } = state;
    const place = viewer.frac2mm(viewer.scene.crosshairPos);
    viewer.scene.crosshairPos = viewer.mm2frac([place[0], place[1], height]);
    viewer.drawScene();
  };
  const followCrosshair = (height) => {
    const apart = ([, other]) => Math.abs(other - height);
    const [number] = Object.entries(state.scene.heights).reduce((best, one) => (apart(one) < apart(best) ? one : best));
    if (Number(number) === state.slice) return;
    state.slice = Number(number);
    const input = document.querySelector("#slice input[type=range]");
    if (!input) return;
    input.value = number;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };
  // A slider that moves is followed when it rests: the 3D view takes long to draw without a graphics card.
  window.recosegToSlice = (number) => {
    clearTimeout(state.resting);
    state.resting = setTimeout(() => { if (number !== state.slice) toSlice(number); }, 150);
  };

  const steps = { ArrowLeft: [1, 0, 0], ArrowRight: [-1, 0, 0], ArrowUp: [0, 1, 0], ArrowDown: [0, -1, 0], PageUp: [0, 0, 1], PageDown: [0, 0, -1] };
  canvas.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step || !state.viewer?.volumes.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const { viewer } = state;
    if (part("view").value === "4") {
      viewer.setRenderAzimuthElevation(viewer.scene.renderAzimuth + 5 * step[0], viewer.scene.renderElevation + 5 * step[1]);
    } else {
      viewer.moveCrosshairInVox(...step);
    }
  }, true);

  part("base").addEventListener("change", showAll);
  part("view").addEventListener("change", (event) => state.viewer?.setSliceType(Number(event.target.value)));
  part("tumour").addEventListener("input", (event) => fade("tumour", event.target.value));
  part("residual").addEventListener("input", (event) => fade("residual", event.target.value));
  part("cut").addEventListener("input", (event) => {
    const depth = Number(event.target.value);
    state.viewer?.setClipPlane(depth ? [0.6 - depth, 270, 0] : [2, 0, 0]);
  });

  const tell = (error) => { message.textContent = `The 3D view is not available in this browser (${error.message}).`; };
  watch("value", () => load().catch(tell));
  load().catch(tell);
})();
