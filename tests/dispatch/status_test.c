/* Every status has a name and a sentence of its own, and the version is the header's. */
#include <string.h>

#include "expect.h"
#include "vloss/vloss.h"

int main(void) {
  enum { COUNT = VLOSS_ERROR_SCALE + 1 };
  for (int i = 0; i < COUNT; i++) {
    const char *name = vloss_status_name((vloss_status)i), *message = vloss_status_message((vloss_status)i);
    EXPECT(strncmp(name, i ? "VLOSS_ERROR_" : "VLOSS_OK", i ? 12 : 9) == 0 && !strchr(name, '?'), "%d: %s", i, name);
    EXPECT(strlen(message) > 7 && message[strlen(message) - 1] == '.', "%s: \"%s\"", name, message);
    for (int j = 0; j < i; j++) {
      EXPECT(strcmp(name, vloss_status_name((vloss_status)j)) != 0, "%d and %d are both %s", i, j, name);
      EXPECT(strcmp(message, vloss_status_message((vloss_status)j)) != 0, "%s says the same as %d", name, j);
    }
  }
  EXPECT(strcmp(vloss_status_name(VLOSS_ERROR_LABEL), "VLOSS_ERROR_LABEL") == 0, "the header's example");
  static const int no_status[] = {-1, COUNT, 1 << 20};
  for (size_t i = 0; i < sizeof no_status / sizeof *no_status; i++) {
    EXPECT(strcmp(vloss_status_name((vloss_status)no_status[i]), "VLOSS_ERROR_?") == 0, "%d", no_status[i]);
    EXPECT(strlen(vloss_status_message((vloss_status)no_status[i])) > 0, "%d", no_status[i]);
  }

  char version[32];
  snprintf(version, sizeof version, "%d.%d.%d", VLOSS_VERSION_MAJOR, VLOSS_VERSION_MINOR, VLOSS_VERSION_PATCH);
  EXPECT(strcmp(vloss_version(), version) == 0, "library %s, header %s", vloss_version(), version);
  return report("status");
}
