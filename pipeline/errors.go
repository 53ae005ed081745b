package pipeline

import "fmt"

func (e *SettingError) Error() string {
	return fmt.Sprintf("setting %s = %v: %s", e.Name, e.Value, e.Reason)
}
