// Looks and listens to the avatar of the page, as somebody in front of it would.
() => {
  const samples = []; // {at, loud, mouth, caption, text}, from the newest look or listen
  const face = document.getElementById("face");
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  const sound = new Float32Array(analyser.fftSize);
  context.createMediaStreamSource(face.srcObject).connect(analyser);
  const canvas = new OffscreenCanvas(152, 96); // the mouth, as the portraits draw it in 512 × 512
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  let before = null;

  function changed() {
    const part = face.videoWidth / 512;
    pen.drawImage(face, 180 * part, 284 * part, 152 * part, 96 * part, 0, 0, 152, 96);
    const { data } = pen.getImageData(0, 0, 152, 96);
    let sum = 0;
    if (before) for (let n = 0; n < data.length; n += 4) sum += Math.abs(data[n] - before[n]);
    before = data;
    return sum / (data.length / 4);
  }

  setInterval(() => {
    analyser.getFloatTimeDomainData(sound);
    samples.push({
      at: performance.now(),
      loud: Math.sqrt(sound.reduce((sum, each) => sum + each * each, 0) / sound.length),
      mouth: changed(),
      caption: document.getElementById("caption").textContent,
      text: document.querySelector("article.answer:last-of-type .text")?.textContent ?? "",
    });
  }, 40);
  window.samples = samples;
}
