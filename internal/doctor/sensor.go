package doctor

import (
	"fmt"
	"strings"

	"github.com/maixstream/maixstream/hw/sg2002"
)

// sensor reports which sensor answers, and whether there is a driver for it.
func sensor(in *sg2002.Inspection, want string) Check {
	c := Check{Name: "sensor", Status: OK}
	answer := in.Sensor
	switch {
	case answer.NotAsked != "":
		c.Status, c.Found = Note, "not asked: "+answer.NotAsked
		return c
	case answer.Bus != "":
		c.Status, c.Found = Wrong, "i2c bus failure: "+answer.Bus
		c.Remedy = "see device nodes and kernel modules above; run as root; the bus is /dev/i2c-4"
		return c
	case answer.Name == "":
		c.Status, c.Found = Wrong, "no answer on i2c bus 4"
		if len(answer.Others) > 0 {
			var others []string
			for _, address := range answer.Others {
				others = append(others, fmt.Sprintf("0x%02x", address))
			}
			c.Found += fmt.Sprintf(" (the touch controller at %s does, so the bus works)", strings.Join(others, ", "))
		}
		c.Remedy = "with the power off, check that the camera's ribbon cable sits straight and is locked at both ends; after a cold start a sensor may get its clock " +
			"only from the first program that uses it: maixstream snapshot - >/dev/null, then maixstream doctor again; is /boot/board right (id, cam_mclk)?"
		return c
	}
	c.Found = answer.Name + " answers"
	if want != "auto" && !strings.HasSuffix(want, answer.Name) {
		c.Status = Wrong
		c.Found += fmt.Sprintf(", not %s", want)
		c.Remedy = "omit --sensor and MMF_SENSOR_NAME: the sensor is detected"
		return c
	}
	for _, d := range in.Drivers {
		if d.Sensor == answer.Name {
			return c
		}
	}
	if len(in.Drivers) > 0 {
		c.Status, c.Found = Wrong, c.Found+", and no library has a driver for it"
		c.Remedy = remedyDrivers
	}
	return c
}
