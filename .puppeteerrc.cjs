// The browser comes from @sparticuz/chromium, inside the package registry; puppeteer must not download another.
module.exports = { skipDownload: true };
