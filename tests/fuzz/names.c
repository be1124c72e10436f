/* See names.h: each answer has to agree with what the other functions say. */
#include "names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vloss/vloss.h"

#define EXPECT(condition)                                                              \
  do {                                                                                 \
    if (!(condition)) {                                                                \
      fprintf(stderr, "names.c:%d: not so: %s, \"%s\"\n", __LINE__, #condition, text); \
      abort();                                                                         \
    }                                                                                  \
  } while (0)

static void check_status(const char *text, vloss_status status) {
  const char *name = vloss_status_name(status), *message = vloss_status_message(status);
  EXPECT(strncmp(name, "VLOSS_", 6) == 0);
  EXPECT((strcmp(name, "VLOSS_ERROR_?") == 0) == (strstr(message, "is no status") != NULL));
  EXPECT(*message && message[strlen(message) - 1] == '.');
}

static void check_losses(const char *text, size_t index) {
  const vloss_loss_info *info = vloss_loss_info_at(index), *named = vloss_loss_info_named(text);
  EXPECT(!named || strcmp(named->name, text) == 0);
  EXPECT(!vloss_loss_info_named(NULL));
  if (!info) return;
  EXPECT(vloss_loss_info_named(info->name) == info);
  EXPECT(vloss_loss_info_of(info->kind) == info);
}

/* While the ISA that was asked for last cannot be had, every call is refused and writes nothing. */
static void check_refused(const char *text, vloss_status status) {
  const float input = 1;
  float loss = -5;
  const vloss_loss_args args = {
      .kind = VLOSS_MSE, .rows = 1, .columns = 1, .prediction = &input, .target = &input, .loss = &loss};
  const char *name = NULL;
  EXPECT(vloss_loss(&args) == status && loss == -5);
  EXPECT(vloss_isa_current(&name) == status && !name);
  EXPECT(!*text || strstr(vloss_status_message(status), "asked for the ISA \""));
}
static void check_isa(const char *text) {
  const char *reason = vloss_isa_unsupported_reason(text), *now = NULL;
  const vloss_status status = vloss_isa_force(text);
  EXPECT((status == VLOSS_OK) == !reason);
  if (status == VLOSS_OK) {
    EXPECT(vloss_isa_current(&now) == VLOSS_OK && strcmp(now, text) == 0);
    return;
  }
  size_t known = 0;
  while (known < vloss_isa_count() && strcmp(vloss_isa_name(known), text)) known++;
  EXPECT(status == (known < vloss_isa_count() ? VLOSS_ERROR_ISA_UNSUPPORTED : VLOSS_ERROR_ISA_UNKNOWN));
  check_refused(text, status);
}

void names_check(const uint8_t *bytes, size_t count) {
  char text[40] = "";
  const unsigned number = count ? bytes[0] : 0;
  if (count) memcpy(text, bytes, count < sizeof text ? count : sizeof text - 1);
  const char *name; /* asked before any is forced: the first time, the library decides */
  EXPECT(vloss_isa_current(&name) == VLOSS_OK && !vloss_isa_unsupported_reason(name));
  check_status(text, (vloss_status)number);
  check_losses(text, number);
  check_isa(text);
  EXPECT(!vloss_isa_name(vloss_isa_count() + number));
  check_isa(vloss_isa_name(number % vloss_isa_count()));
  EXPECT(vloss_isa_current(NULL) == VLOSS_ERROR_NULL);
  EXPECT(strlen(vloss_cpu_features()) > 0 && strlen(vloss_version()) > 0);
  vloss_isa_force(NULL);
}
