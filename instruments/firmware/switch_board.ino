// Switch board: 32 relays on an Arduino Mega 2560, channel k on digital pin 22 + k.
// Protocol, wiring and timing: docs/switch-board.md.
//
// NEVER RUN ON HARDWARE. It has been compiled for a computer and compared there, reply by reply,
// with the virtual switch board. Measure your relays' times before you trust the two below.

const char NAME_AND_PROTOCOL[] = "crossbar-switch 1 32";
const uint8_t CHANNELS = 32, FIRST_PIN = 22;
const uint8_t CLOSED = HIGH, OPENED = LOW;       // ULN2803 drivers; swap for boards that pull low
const unsigned int RELEASE_MS = 5, OPERATE_MS = 5;  // assumed: signal relays take 1 to 4 ms
const uint8_t LONGEST = 47, SHORTEST = 11;       // characters of a line

char line[LONGEST + 1];
uint8_t length = 0;
bool too_long = false;

void write_outputs(uint32_t mask) {
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
  snprintf(text, sizeof text, "%s %s %u %u", word, NAME_AND_PROTOCOL, RELEASE_MS, OPERATE_MS);
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
  open_all();  // break before make, whoever asks
  uint32_t left = read_outputs();
  if (left) return reply_mask(number, "ERR READBACK", left);
  write_outputs(wanted);
  delay(OPERATE_MS);
  reply_mask(number, "CLOSE", read_outputs());
}

void obey() {
  char expected[6];
  if (too_long) return reply("????", "ERR LINE");
  if (length < SHORTEST) return reply("????", "ERR CHECKSUM");
  snprintf(expected, sizeof expected, " %04X", (unsigned int)checksum(line, length - 5));
  if (strcmp(line + length - 5, expected)) return reply("????", "ERR CHECKSUM");
  line[length - 5] = '\0';
  const char *command = line + 5;
  uint32_t mask;
  if (!strcmp(command, "IDENT")) identify(line, "IDENT");
  else if (!strcmp(command, "READ")) reply_mask(line, "READ", read_outputs());
  else if (!strcmp(command, "OPEN")) { open_all(); reply_mask(line, "OPEN", read_outputs()); }
  else if (!strncmp(command, "CLOSE ", 6) && read_mask(command + 6, &mask)) close_relays(line, mask);
  else if (!strcmp(command, "CLOSE") || !strncmp(command, "CLOSE ", 6)) reply(line, "ERR ARGUMENT");
  else reply(line, "ERR COMMAND");
}

void setup() {
  write_outputs(0);  // the level is there before the pin drives: no relay clicks at boot
  for (uint8_t k = 0; k < CHANNELS; k++) pinMode(FIRST_PIN + k, OUTPUT);
  write_outputs(0);
  Serial.begin(115200);
  identify("BOOT", "READY");
}

void loop() {
  while (Serial.available() > 0) {
    char c = Serial.read();
    if (c == '\r') continue;
    if (c != '\n') {
      if (length < LONGEST) line[length++] = c;
      else too_long = true;
      continue;
    }
    line[length] = '\0';
    if (length) obey();
    length = 0;
    too_long = false;
  }
}
