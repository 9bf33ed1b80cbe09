// Switch board: 32 relays on an Arduino Mega 2560, channel k on digital pin 22 + k.
// Protocol, wiring and timing: docs/switch-board.md.
//
// NEVER RUN ON HARDWARE. It has been compiled for a computer and compared there, reply by reply,
// with the virtual switch board. Measure your relays' times before you trust the two below.

const char NAME_AND_PROTOCOL[] = "crossbar-switch 2 32";
const uint8_t CHANNELS = 32, FIRST_PIN = 22;
const uint8_t CLOSED = HIGH, OPENED = LOW;       // ULN2803 drivers; swap for boards that pull low
const unsigned int RELEASE_MS = 5, OPERATE_MS = 5;  // assumed: signal relays take 1 to 4 ms
const unsigned int WATCHDOG_MS = 1000;           // closed relays are opened after such a silence
const uint8_t LONGEST = 47, SHORTEST = 11;       // characters of a line

char line[LONGEST + 1];
uint8_t length = 0;
bool too_long = false;

uint32_t told = 0;       // what was written to the outputs last
uint32_t heard_ms = 0;   // when the last good request was answered
uint16_t drops = 0;      // times that the watchdog has opened the relays since the start
bool dropped = false;    // it has, and nobody has said OPEN since

void write_outputs(uint32_t mask) {
  told = mask;
  for (uint8_t k = 0; k < CHANNELS; k++)
    digitalWrite(FIRST_PIN + k, (mask >> k & 1) ? CLOSED : OPENED);
}

uint32_t read_outputs() {  // what the pins really are, not what was written to them
  uint32_t mask = 0;
  for (uint8_t k = 0; k < CHANNELS; k++)
    if (digitalRead(FIRST_PIN + k) == CLOSED) mask |= (uint32_t)1 << k;
  return mask;
}

void open_all() {
  write_outputs(0);
  delay(RELEASE_MS);
}

void watch() {  // nobody is there any more: a plug that was pulled, a program that died
  // A difference of unsigned numbers: right also after 49 days, when millis() begins anew.
  if (!told || (uint32_t)(millis() - heard_ms) < WATCHDOG_MS) return;
  write_outputs(0);
  dropped = true;
  if (drops < 0xFFFF) drops++;
}

uint16_t checksum(const char *text, uint8_t count) {  // CRC-16 of CCITT, start 0xFFFF
  uint16_t crc = 0xFFFF;
  for (uint8_t i = 0; i < count; i++) {
    crc ^= (uint16_t)(uint8_t)text[i] << 8;
    for (uint8_t bit = 0; bit < 8; bit++) crc = (crc & 0x8000) ? (crc << 1) ^ 0x1021 : crc << 1;
  }
  return crc;
}

void reply(const char *number, const char *text) {  // number: four characters
  char out[64], tail[8];
  uint8_t count = snprintf(out, sizeof out, "%.4s %s", number, text);
  snprintf(tail, sizeof tail, " %04X\n", (unsigned int)checksum(out, count));
  Serial.print(out);
  Serial.print(tail);
}

void reply_mask(const char *number, const char *word, uint32_t mask) {
  char text[40];
  snprintf(text, sizeof text, "%s %08lX", word, (unsigned long)mask);
  reply(number, text);
}

void identify(const char *number, const char *word) {
  char text[48];
  snprintf(text, sizeof text, "%s %s %u %u %u", word, NAME_AND_PROTOCOL, RELEASE_MS, OPERATE_MS,
           WATCHDOG_MS);
  reply(number, text);
}

void beat(const char *number) {
  char text[24];
  snprintf(text, sizeof text, "BEAT %08lX %04X", (unsigned long)read_outputs(),
           (unsigned int)drops);
  reply(number, text);
}

void open_relays(const char *number) {  // says also what it ended: nothing is lost in between
  char text[32];
  uint32_t before = read_outputs();
  open_all();
  dropped = false;
  snprintf(text, sizeof text, "OPEN %08lX %08lX", (unsigned long)read_outputs(),
           (unsigned long)before);
  reply(number, text);
}

bool read_mask(const char *text, uint32_t *mask) {  // eight capital hexadecimal digits
  *mask = 0;
  for (uint8_t i = 0; i < 8; i++) {
    char c = text[i];
    if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'))) return false;
    *mask = *mask << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'A' + 10);
  }
  return text[8] == '\0';
}

void close_relays(const char *number, uint32_t wanted) {
  if (dropped) return reply(number, "ERR DROPPED");  // whoever asks does not know yet
  open_all();  // break before make, whoever asks
  uint32_t left = read_outputs();
  if (left) return reply_mask(number, "ERR READBACK", left);
  write_outputs(wanted);
  delay(OPERATE_MS);
  reply_mask(number, "CLOSE", read_outputs());
}

void carry_out(const char *number, const char *command) {
  const bool close = !strcmp(command, "CLOSE") || !strncmp(command, "CLOSE ", 6);
  uint32_t mask;
  if (!strcmp(command, "IDENT")) identify(number, "IDENT");
  else if (!strcmp(command, "READ")) reply_mask(number, "READ", read_outputs());
  else if (!strcmp(command, "BEAT")) beat(number);
  else if (!strcmp(command, "OPEN")) open_relays(number);
  else if (!close) reply(number, "ERR COMMAND");
  else if (command[5] && read_mask(command + 6, &mask)) close_relays(number, mask);
  else reply(number, "ERR ARGUMENT");
}

void obey() {
  char expected[6];
  if (too_long) return reply("????", "ERR LINE");
  if (length < SHORTEST) return reply("????", "ERR CHECKSUM");
  snprintf(expected, sizeof expected, " %04X", (unsigned int)checksum(line, length - 5));
  if (strcmp(line + length - 5, expected)) return reply("????", "ERR CHECKSUM");
  line[length - 5] = '\0';
  carry_out(line, line + 5);
  heard_ms = millis();  // whatever it asked for: a program lives that can count
}

void setup() {
  write_outputs(0);  // the level is there before the pin drives: no relay clicks at boot
  for (uint8_t k = 0; k < CHANNELS; k++) pinMode(FIRST_PIN + k, OUTPUT);
  write_outputs(0);
  Serial.begin(115200);
  identify("BOOT", "READY");
}

void take(char c) {
  if (c == '\r') return;
  if (c != '\n') {
    if (length < LONGEST) line[length++] = c;
    else too_long = true;
    return;
  }
  line[length] = '\0';
  if (length) obey();
  length = 0;
  too_long = false;
}

void loop() {
  watch();  // before every character: no stream of noise keeps relays closed
  if (Serial.available() > 0) take(Serial.read());
}
